/* Any question: the first byte is the operation.  What fails leaves no answer; what succeeds answers with JSON, and changes
 * only what it says it changed. */
#include "admin/admin.h"
#include "wire/json.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char folder[64];
static int home;

static void
clean_up(void)
{
	static const char *const names[] = { "store.db", "store.db-wal", "store.db-journal", "vault", ".vault.new" };

	for (size_t i = 0; i < SP_COUNT(names) && chdir(folder) == 0; i++)
		(void)unlink(names[i]);
	(void)rmdir(folder);
}

static void
start(struct sp_admin *a)
{
	const struct sp_kdf_cost cheap = { 1, 64 };
	struct sp_secret *m;
	bool older;

	home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(folder, sizeof folder, "/tmp/sp-admin-XXXXXX");
	if (mkdtemp(folder) == NULL || chdir(folder) != 0 || sp_secret_init(SP_SECRET_REGION, false, NULL, NULL) != SP_OK)
		abort();
	(void)atexit(clean_up);
	a->state_dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	m = sp_secret_new(SP_MATERIAL_MAX);
	if (m == NULL || sp_material_random(m) != SP_OK || sp_vault_create(a->state_dir, m, &cheap, 1, NULL) != SP_OK ||
	    sp_store_open(a->state_dir, &a->store, NULL) != SP_OK || sp_admin_unlock(a, &m, &older, NULL) != SP_OK)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct sp_admin a = { .state_dir = -1 };
	static struct sp_admin_effect eff;
	struct sp_err e = { 0 };
	struct sp_out o;
	uint8_t *body;

	if (a.state_dir < 0)
		start(&a);
	if (fchdir(home) != 0)
		abort();
	/* A passphrase would cost a second. */
	if (n == 0 || data[0] % SP_ADMIN_OP_COUNT == SP_ADMIN_VAULT_REKEY || (body = malloc(n)) == NULL)
		return 0;
	memcpy(body, data + 1, n - 1);
	/* The store lies in the working folder; the corpus in that of the caller. */
	if (fchdir(a.state_dir) != 0)
		abort();
	sp_out_heap(&o, SP_ADMIN_ANSWER_MAX);
	if (sp_admin_run(&a, data[0] % SP_ADMIN_OP_COUNT, sp_mem(body, n - 1), 1000, &o, &eff, &e) == SP_OK) {
		SP_AUTO(sp_json_free) struct sp_json j = { 0 };

		if (o.n != 0 && sp_json_read(sp_out_view(&o), SP_JSON_DEFAULT, &j, NULL) != SP_OK)
			abort();
		if ((eff.kind != SP_EFFECT_NONE) != (eff.note[0] != '\0'))
			abort();
	} else if (o.n != 0 || e.log[0] == '\0' || eff.note[0] != '\0') {
		abort();
	}
	sp_out_free(&o);
	free(body);
	return fchdir(home);
}
