/* A check of one's own: calls that change something are for weekdays from 8 to 18 o'clock UTC, unless the caller is on call.
 *
 *	cc -shared -fPIC -O2 -o office_hours.so office_hours.c
 */
#include <sallyport/plugin.h>

#include <time.h>

SALLYPORT_PLUGIN;

enum sp_auth_verdict
sallyport_check(struct sp_auth_context *auth)
{
	const time_t now = time(NULL);
	struct tm t;

	/* A list is asked about as a whole: show what some call could get. */
	if (sp_auth_context_arguments(auth) == NULL || sp_principal_has_tag(sp_auth_context_principal(auth), "on-call"))
		return SP_VERDICT_ALLOW;
	if (gmtime_r(&now, &t) == NULL)
		return SP_VERDICT_FAILED;
	if (t.tm_wday == 0 || t.tm_wday == 6 || t.tm_hour < 8 || t.tm_hour >= 18)
		return sp_authorization_error(auth, "changes are made on weekdays from 8 to 18 o'clock UTC");
	return SP_VERDICT_ALLOW;
}
