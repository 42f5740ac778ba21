#include "config/config.h"

#include "management_json.h"

sp_slice
sp_management_document(void)
{
	return SP_LIT(MANAGEMENT_JSON);
}
