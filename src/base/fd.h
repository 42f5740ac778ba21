#ifndef SP_BASE_FD_H
#define SP_BASE_FD_H

#include "base/slice.h"

/* All of it, however many writes that takes.  False: it could not be written, and errno says why. */
SP_MUST bool sp_write_all(int fd, sp_slice s);

#endif
