#include "base/fd.h"

#include <errno.h>
#include <unistd.h>

bool
sp_write_all(int fd, sp_slice s)
{
	while (s.n != 0) {
		ssize_t n = write(fd, s.p, s.n);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		sp_advance(&s, (size_t)n);
	}
	return true;
}
