/* Header fields that no argument may ever set. */
#ifndef SP_OPENAPI_SLOT_H
#define SP_OPENAPI_SLOT_H

#include "base/slice.h"

/* Whatever decides where a request goes, where it ends, who sends it or what its method means.  ASCII case folded. */
SP_MUST bool sp_slot_reserved(sp_slice header);

#endif
