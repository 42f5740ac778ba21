/* The layers of a jail, one file each.  Every one says what is missing; jail.c decides whether that ends us. */
#ifndef SP_OS_JAIL_INT_H
#define SP_OS_JAIL_INT_H

#include "os/role.h"

/* 0, or an errno value. */
SP_MUST int sp_landlock_enter(const struct sp_jail *j);
SP_MUST int sp_seccomp_enter(const struct sp_jail *j);

#endif
