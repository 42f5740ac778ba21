/* Stands in the filters for the process id, which is known when they are loaded. */
#ifndef SP_OS_SECCOMP_PID_H
#define SP_OS_SECCOMP_PID_H

#define SP_SECCOMP_PID 0x5a11f0e7u

#endif
