/* sallyport-keeper: started by sallyport, never by hand. */
#include "keeper/role.h"

int
main(void)
{
	static const struct sp_role_def def = {
		.role = SP_KEEPER, .prepare = sp_keeper_prepare, .start = sp_keeper_start, .peer = sp_keeper_new_peer,
		.drain = sp_keeper_drain, .message = sp_keeper_message,
	};

	return sp_role_main(&def);
}
