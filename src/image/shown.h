/* The name under which clients see a tool or prompt of a server. */
#ifndef SP_IMAGE_SHOWN_H
#define SP_IMAGE_SHOWN_H

#include "image/image.h"

/* SERVER_name, or the name alone when `server` is empty; over SP_SHOWN_MAX bytes it is cut and ends in '_' and the first 8 hex digits of the SHA-256 of the whole
 * (of a name over 300 bytes, of its first 300).  The result lies in `buf`. */
sp_slice sp_shown_make(sp_slice server, sp_slice own_name, char buf[SP_SHOWN_MAX + 1]);

#endif
