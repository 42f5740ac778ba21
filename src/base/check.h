/* For tests only: cmocka and a check that names the case. */
#ifndef SP_BASE_CHECK_H
#define SP_BASE_CHECK_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/slice.h"

#define CHECK(name, ok) do { \
	if (!(ok)) \
		fail_msg("%s: %s", name, #ok); \
} while (0)

#endif
