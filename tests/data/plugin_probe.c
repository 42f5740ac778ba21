/* For tests: a plug-in that does what its caller's argument `do` says, well or badly. */
#include <sallyport/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

SALLYPORT_PLUGIN;

static int calls;

static enum sp_auth_verdict
tried(struct sp_auth_context *auth, const char *what, int r)
{
	char text[100];

	snprintf(text, sizeof text, "%s: %s", what, r >= 0 ? "it works" : strerror(errno));
	return sp_authorization_error(auth, text);
}

static enum sp_auth_verdict
facts(struct sp_auth_context *auth)
{
	const struct sp_principal *who = sp_auth_context_principal(auth);
	char text[250];

	snprintf(text, sizeof text, "%s %s %s %s.%s k%d w%d %s t%d s%s r%d n%d", sp_principal_subject(who), sp_principal_issuer(who),
	    sp_principal_source(who), sp_auth_context_server(auth), sp_auth_context_name(auth), (int)sp_auth_context_kind(auth),
	    sp_auth_context_has_tag(auth, "zones"), sp_auth_context_peer(auth), sp_principal_has_tag(who, "ops"),
	    sp_principal_scope(who, 0) == NULL ? "-" : sp_principal_scope(who, 0), sp_auth_context_token(auth) == NULL,
	    sp_principal_claims(who) == NULL);
	return sp_authorization_error(auth, text);
}

enum sp_auth_verdict
sallyport_check(struct sp_auth_context *auth)
{
	const char *args = sp_auth_context_arguments(auth);
	char long_text[600];

	calls++;
	if (args == NULL)
		return sp_principal_has_tag(sp_auth_context_principal(auth), "blind") ? SP_VERDICT_DENY : SP_VERDICT_ALLOW;
	if (strstr(args, "allow"))
		return SP_VERDICT_ALLOW;
	if (strstr(args, "deny"))
		return SP_VERDICT_DENY;
	if (strstr(args, "refuse"))
		return sp_authorization_error(auth, "not on a Sunday");
	if (strstr(args, "scopes"))
		return sp_auth_needs_scopes(auth, "extra:one", "extra:two");
	if (strstr(args, "facts"))
		return facts(auth);
	if (strstr(args, "garbage"))
		return (enum sp_auth_verdict)77;
	if (strstr(args, "long")) {
		memset(long_text, 'x', sizeof long_text);
		long_text[sizeof long_text - 1] = '\0';
		return sp_authorization_error(auth, long_text);
	}
	if (strstr(args, "crash"))
		*(volatile int *)(__UINTPTR_TYPE__)calls = 1;
	if (strstr(args, "hang"))
		for (;;)
			(void)usleep(1000);
	if (strstr(args, "open"))
		return tried(auth, "open", open("/etc/passwd", O_RDONLY));
	if (strstr(args, "write"))
		return tried(auth, "write", open("/tmp/sallyport-probe", O_WRONLY | O_CREAT, 0600));
	if (strstr(args, "socket"))
		return tried(auth, "socket", socket(AF_INET, SOCK_STREAM, 0));
	if (strstr(args, "fork"))
		return tried(auth, "fork", fork());
	if (strstr(args, "exec"))
		return tried(auth, "exec", execl("/bin/true", "true", (char *)NULL));
	return SP_VERDICT_FAILED;
}
