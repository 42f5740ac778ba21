#include "os/role.h"

bool
sp_env_is_passed(const char *entry)
{
	static const sp_slice names[] = {
		SP_LIT_INIT("PATH"), SP_LIT_INIT("HOME"), SP_LIT_INIT("USER"), SP_LIT_INIT("LOGNAME"), SP_LIT_INIT("LANG"),
		SP_LIT_INIT("LANGUAGE"), SP_LIT_INIT("TZ"), SP_LIT_INIT("TMPDIR"), SP_LIT_INIT("XDG_RUNTIME_DIR"),
		SP_LIT_INIT("XDG_CONFIG_HOME"), SP_LIT_INIT("XDG_DATA_HOME"), SP_LIT_INIT("XDG_CACHE_HOME"),
		SP_LIT_INIT("XDG_STATE_HOME"), SP_LIT_INIT("DBUS_SESSION_BUS_ADDRESS"), SP_LIT_INIT("SSH_AUTH_SOCK"),
		SP_LIT_INIT("GNUPGHOME"), SP_LIT_INIT("PASSWORD_STORE_DIR"),
	};
	sp_slice rest = sp_str(entry), name;

	if (!sp_take_to(&rest, '=', &name))
		return false;
	for (size_t i = 0; i < SP_COUNT(names); i++)
		if (sp_eq(names[i], name))
			return true;
	return sp_starts(name, SP_LIT("LC_"));
}
