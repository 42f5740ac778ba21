/* For tests and fuzz targets: one document with an operation for every kind of slot, as an image. */
#ifndef SP_OPENAPI_TEST_BIND_H
#define SP_OPENAPI_TEST_BIND_H

#include <stdio.h>

#include "openapi/test_doc.h"

#define Q(name, rest) "{'in':'query','name':'" name "'" rest "}"
#define LIST ",'schema':{'type':'array','items':{'type':'string'}}"

static const char doc[] = "{'openapi':'3.1.0','paths':{"
    "'/users/{id}':{'get':{'operationId':'user','parameters':[{'in':'path','name':'id','required':true}]}},"
    "'/zones/{zone}/rrsets/{n}.{t}':{'get':{'operationId':'rrset','parameters':[{'in':'path','name':'zone'},"
    "{'in':'path','name':'n'},{'in':'path','name':'t'}]}},"
    "'/pair/{a}{b}':{'get':{'operationId':'pair','parameters':[{'in':'path','name':'a'},{'in':'path','name':'b'}]}},"
    "'/ids/{ids}':{'get':{'operationId':'ids','parameters':[{'in':'path','name':'ids'" LIST "}]}},"
    "'/q':{'get':{'operationId':'query','parameters':[" Q("s", "") "," Q("l", LIST) "," Q("c", ",'explode':false" LIST) ","
    Q("must", ",'required':true" LIST) "," Q("f[x y]", "") "," Q("n", ",'schema':{'type':'number'}") "]}},"
    "'/h':{'get':{'operationId':'header','parameters':[{'in':'header','name':'X-Tag'},{'in':'header','name':'X-List'" LIST "}]}},"
    "'/key':{'get':{'operationId':'slot','parameters':[{'in':'header','name':'X-Other'},{'in':'query','name':'token'}]}},"
    "'/flat/{id}':{'post':{'operationId':'flat','parameters':[{'in':'path','name':'id'}],'requestBody':{'required':true,"
    "'content':{'application/json':{'schema':{'type':'object','required':['a'],'properties':{'a':{},'b':{},"
    "'ro':{'readOnly':true}}}}}}}},"
    "'/free':{'post':{'operationId':'free','requestBody':{'content':{'application/merge-patch+json':{'schema':{'type':'object',"
    "'properties':{'a':{}},'additionalProperties':true}}}}}},"
    "'/whole':{'put':{'operationId':'whole','requestBody':{'required':true,'content':{'application/json':{'schema':"
    "{'type':'array'}}}}}},"
    "'/maybe':{'put':{'operationId':'maybe','requestBody':{'content':{'application/json':{'schema':{}}}}}}"
    "}}";

struct world {
	struct sp_arena docs;
	struct sp_spec spec;
	struct sp_imgb b;
	struct sp_image img;
};

static inline void
world_make(struct world *w)
{
	static const sp_slice slots[] = { SP_LIT_INIT("header x-other"), SP_LIT_INIT("query TOKEN") };
	struct sp_err e = { 0 };
	bool good;

	sp_arena_init(&w->docs, 16 << 20);
	good = sp_spec_read(&w->docs, test_json(&w->docs, doc), &w->spec, &e) == SP_OK;
	for (uint32_t i = 0; good && i < w->spec.nops; i++)
		good = w->spec.ops[i].skipped.n == 0;
	sp_imgb_init(&w->b, 1 << 20);
	if (!good || test_image(&w->b, &w->spec, slots, 2, &w->img, &e) != SP_OK) {
		fprintf(stderr, "the test document: %s\n", e.log);
		abort();
	}
}

static inline void
world_free(struct world *w)
{
	sp_imgb_free(&w->b);
	sp_arena_free(&w->docs);
}

#undef Q
#undef LIST

#endif
