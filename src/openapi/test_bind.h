/* For tests and fuzz targets: one document with an operation for every kind of slot, as an image. */
#ifndef SP_OPENAPI_TEST_BIND_H
#define SP_OPENAPI_TEST_BIND_H

#include <stdio.h>

#include "openapi/test_doc.h"

#define Q(name, rest) "{'in':'query','name':'" name "'" rest "}"
#define LIST ",'schema':{'type':'array','items':{'type':'string'}}"

/* One operation for every style. */
#define PATH(id, style, explode) "'/" id "/{v}':{'get':{'operationId':'" id "','parameters':[{'in':'path','name':'v'," \
	"'required':true,'style':'" style "','explode':" explode ",'schema':{'type':['string','array','object']}}]}}"
#define ANY ",'schema':{'type':['string','number','boolean','array','object']}"
#define QUERY(id, style, explode) "'/" id "':{'get':{'operationId':'" id "','parameters':[{'in':'query','name':'v'," \
	"'style':'" style "','explode':" explode ANY "},{'in':'query','name':'other'}]}}"
#define HEAD(id, explode) "'/" id "':{'get':{'operationId':'" id "','parameters':[{'in':'header','name':'X-V','explode':" \
	explode ANY "}]}}"
#define COOK(id, explode) "'/" id "':{'get':{'operationId':'" id "','parameters':[{'in':'cookie','name':'v','explode':" \
	explode ANY "},{'in':'cookie','name':'w'}]}}"
#define BODY(id, media, rest) "'/" id "':{'post':{'operationId':'" id "','requestBody':{'required':true,'content':{'" media \
	"':{" rest "}}}}}"

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
    "'/maybe':{'put':{'operationId':'maybe','requestBody':{'content':{'application/json':{'schema':{}}}}}},"
    PATH("p_simple", "simple", "false") "," PATH("p_simple_x", "simple", "true") "," PATH("p_label", "label", "false") ","
    PATH("p_label_x", "label", "true") "," PATH("p_matrix", "matrix", "false") "," PATH("p_matrix_x", "matrix", "true") ","
    QUERY("q_form", "form", "false") "," QUERY("q_form_x", "form", "true") "," QUERY("q_space", "spaceDelimited", "false") ","
    QUERY("q_space_x", "spaceDelimited", "true") "," QUERY("q_pipe", "pipeDelimited", "false") ","
    QUERY("q_pipe_x", "pipeDelimited", "true") "," QUERY("q_deep", "deepObject", "true") ","
    HEAD("h_simple", "false") "," HEAD("h_simple_x", "true") "," COOK("c_form", "false") "," COOK("c_form_x", "true") ","
    "'/json/{p}':{'get':{'operationId':'json','parameters':[{'in':'path','name':'p','required':true,'content':{"
    "'application/json':{}}},{'in':'query','name':'q','content':{'application/json':{}}},{'in':'header','name':'X-J',"
    "'content':{'application/json':{}}},{'in':'cookie','name':'c','content':{'application/json':{}}}]}},"
    "'/reserved':{'get':{'operationId':'reserved','parameters':[{'in':'query','name':'r','allowReserved':true}]}},"
    BODY("f_plain", "application/x-www-form-urlencoded", "'schema':{'type':'object','properties':{'a':{},'l':{'type':'array'},"
    "'o':{'type':'object'},'c':{'type':'array'},'d':{'type':'object'},'j':{},'x':{},'y':{},'s':{}}},'encoding':{'c':{'style':'form','explode':false},"
    "'x':{'style':'form'},'y':{'explode':false,'contentType':'application/json'},'s':{'style':'spaceDelimited'},"
    "'d':{'style':'deepObject'},'j':{'contentType':'application/json'}}") ","
    BODY("f_whole", "application/x-www-form-urlencoded", "'schema':{'type':'object'}") ","
    BODY("m_form", "multipart/form-data", "'schema':{'type':'object','properties':{'t':{},'o':{'type':'object'},'f':"
    "{'type':'string','format':'binary'},'fs':{'type':'array','items':{'type':'string','format':'binary'}},'p':{'type':'string',"
    "'format':'binary'}}},'encoding':{'p':{'contentType':'image/png, image/jpeg'}}") ","
    BODY("m_style", "multipart/form-data", "'schema':{'type':'object','properties':{'c':{},'x':{},'s':{},'p':{},'d':{},'f':{'type':'string',"
    "'format':'binary'}}},'encoding':{'c':{'style':'form','explode':false,'contentType':'application/json'},'x':{'explode':true},"
    "'s':{'style':'spaceDelimited'},'p':{'style':'pipeDelimited','explode':false},'d':{'style':'deepObject'},'f':{'style':'form'}}") ","
    BODY("b_text", "text/plain", "") "," BODY("b_bytes", "application/octet-stream", "")
    "}}";

struct world {
	struct sp_arena docs;
	struct sp_spec spec;
	struct sp_imgb b;
	struct sp_image img;
};

static inline void
world_of(struct world *w, const char *text)
{
	static const sp_slice slots[] = { SP_LIT_INIT("header x-other"), SP_LIT_INIT("query TOKEN"), SP_LIT_INIT("cookie sid") };
	struct sp_err e = { 0 };
	bool good;

	sp_arena_init(&w->docs, 16 << 20);
	good = sp_spec_read(&w->docs, test_json(&w->docs, text), &w->spec, &e) == SP_OK;
	for (uint32_t i = 0; good && i < w->spec.nops; i++)
		good = w->spec.ops[i].skipped.n == 0;
	sp_imgb_init(&w->b, 1 << 20);
	if (!good || test_image(&w->b, &w->spec, slots, SP_COUNT(slots), &w->img, &e) != SP_OK) {
		fprintf(stderr, "the test document: %s\n", e.log);
		abort();
	}
}

static inline void
world_make(struct world *w)
{
	world_of(w, doc);
}

static inline void
world_free(struct world *w)
{
	sp_imgb_free(&w->b);
	sp_arena_free(&w->docs);
}

#undef Q
#undef LIST
#undef PATH
#undef ANY
#undef QUERY
#undef HEAD
#undef COOK
#undef BODY

#endif
