#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>

#include "outbound/netguard.h"

#define PUB SP_NET_PUBLIC
#define PRIV SP_NET_PRIVATE
#define NEVER SP_NET_NEVER

static const struct {
	const char *id, *text;
	enum sp_net_class want;
} rows[] = {
	{ "public v4", "93.184.216.34", PUB },
	{ "public v6", "2606:2800:220:1::1", PUB },
	{ "N01 10/8", "10.0.0.1", PRIV },
	{ "N01 10/8 last", "10.255.255.255", PRIV },
	{ "N01 just under 10/8", "9.255.255.255", PUB },
	{ "N01 just over 10/8", "11.0.0.0", PUB },
	{ "N01 172.16/12", "172.16.0.1", PRIV },
	{ "N01 172.16/12 last", "172.31.255.255", PRIV },
	{ "N01 under 172.16/12", "172.15.255.255", PUB },
	{ "N01 over 172.16/12", "172.32.0.0", PUB },
	{ "N01 192.168/16", "192.168.1.1", PRIV },
	{ "N01 127/8", "127.0.0.1", PRIV },
	{ "N01 127/8 last", "127.255.255.255", PRIV },
	{ "N01 link-local", "169.254.1.1", NEVER },
	{ "N01 metadata", "169.254.169.254", NEVER },
	{ "N01 100.64/10", "100.64.0.1", PRIV },
	{ "N01 100.64/10 last", "100.127.255.255", PRIV },
	{ "N01 over 100.64/10", "100.128.0.0", PUB },
	{ "N01 metadata in carrier NAT", "100.100.100.200", NEVER },
	{ "N01 metadata with a public address", "168.63.129.16", NEVER },
	{ "N01 0/8", "0.0.0.0", NEVER },
	{ "N01 0/8 host", "0.1.2.3", NEVER },
	{ "N01 192.0.0/24", "192.0.0.192", NEVER },
	{ "N01 192.0.2/24", "192.0.2.1", NEVER },
	{ "N01 198.18/15", "198.19.255.255", PRIV },
	{ "N01 198.51.100/24", "198.51.100.7", NEVER },
	{ "N01 203.0.113/24", "203.0.113.7", NEVER },
	{ "N01 multicast", "224.0.0.1", NEVER },
	{ "N01 multicast last", "239.255.255.255", NEVER },
	{ "N01 reserved", "240.0.0.1", NEVER },
	{ "N01 broadcast", "255.255.255.255", NEVER },
	{ "N02 ::1", "::1", PRIV },
	{ "N02 ::", "::", NEVER },
	{ "N02 fe80::1", "fe80::1", NEVER },
	{ "N02 febf::1", "febf::1", NEVER },
	{ "N02 fc00::/7", "fc00::1", PRIV },
	{ "N02 fdff::", "fdff::1", PRIV },
	{ "N02 ff02::1", "ff02::1", NEVER },
	{ "N02 2001:db8::", "2001:db8::1", NEVER },
	{ "N02 3fff::", "3fff:0:1::1", NEVER },
	{ "N02 fec0::", "fec0::1", NEVER },
	{ "N02 100::", "100::1", NEVER },
	{ "N02 metadata fd00:ec2::254", "fd00:ec2::254", NEVER },
	{ "N02 metadata fd20:ce::254", "fd20:ce::254", NEVER },
	{ "N02 not allocated", "4000::1", NEVER },
	{ "N02 ORCHID", "2001:20::1", NEVER },
	{ "N03 v4-mapped loopback", "::ffff:127.0.0.1", PRIV },
	{ "N03 v4-mapped metadata", "::ffff:169.254.169.254", NEVER },
	{ "N03 v4-mapped public", "::ffff:8.8.8.8", PUB },
	{ "N03 v4-compatible loopback", "::7f00:1", PRIV },
	{ "N03 v4-compatible metadata", "::a9fe:a9fe", NEVER },
	{ "N03 v4-compatible low", "::2", NEVER },
	{ "N03 v4-translated loopback", "::ffff:0:7f00:1", PRIV },
	{ "N03 v4-translated metadata", "::ffff:0:a9fe:a9fe", NEVER },
	{ "N03 NAT64 loopback", "64:ff9b::7f00:1", PRIV },
	{ "N03 NAT64 metadata", "64:ff9b::a9fe:a9fe", NEVER },
	{ "N03 NAT64 public", "64:ff9b::808:808", PUB },
	{ "N03 local NAT64 public, /96", "64:ff9b:1::808:808", PRIV },
	{ "N03 local NAT64 metadata, /96", "64:ff9b:1::a9fe:a9fe", NEVER },
	{ "N03 local NAT64 metadata, /48", "64:ff9b:1:a9fe:a9:fe00::", NEVER },
	{ "N03 local NAT64 private, /48", "64:ff9b:1:a00:0:100::", PRIV },
	{ "N03 local NAT64 metadata, /56", "64:ff9b:1:a9:fe:a9fe::", NEVER },
	{ "N03 local NAT64 metadata, /64", "64:ff9b:1:0:a9:fea9:fe00:0", NEVER },
	{ "N03 local NAT64 nothing inside", "64:ff9b:1::", NEVER },
	{ "N03 6to4 loopback", "2002:7f00:1::", PRIV },
	{ "N03 6to4 metadata", "2002:a9fe:a9fe::1", NEVER },
	{ "N03 6to4 public", "2002:808:808::1", PUB },
	{ "N03 Teredo server private", "2001:0:a00:1:0:0:f7f7:f7f7", PRIV },
	{ "N03 Teredo client metadata", "2001:0:808:808:0:0:5601:5601", NEVER },
	{ "N03 Teredo client loopback", "2001:0:808:808:0:0:80ff:fffe", PRIV },
	{ "N03 Teredo public", "2001:0:808:808:0:0:f7f7:f7f7", PUB },
	{ "N03 ISATAP loopback", "2606:4700::5efe:127.0.0.1", PRIV },
	{ "N03 ISATAP metadata", "2606:4700::200:5efe:a9fe:a9fe", NEVER },
	{ "N03 ISATAP public", "2606:4700::5efe:808:808", PUB },
	{ "N03 ISATAP in link-local", "fe80::5efe:808:808", NEVER },
};

static void
test_addresses(void **state)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		const char *why = NULL;
		uint8_t a[16];
		enum sp_net_class got = SP_NET_NEVER;

		if (inet_pton(AF_INET, rows[i].text, a) == 1)
			got = sp_netguard_v4(a, &why);
		else if (inet_pton(AF_INET6, rows[i].text, a) == 1)
			got = sp_netguard_v6(a, &why);
		else
			fail_msg("%s: not an address: %s", rows[i].id, rows[i].text);
		if (got != rows[i].want || why == NULL)
			fail_msg("%s: %s is %d (%s), want %d", rows[i].id, rows[i].text, got, why, rows[i].want);
	}
}

static const struct {
	const char *id, *text;
	unsigned scope;
	bool private_ok, want;
} socks[] = {
	{ "N15 private, written by the operator", "10.1.2.3", 0, true, true },
	{ "N01 private, learned", "10.1.2.3", 0, false, false },
	{ "N15 loopback, written by the operator", "::1", 0, true, true },
	{ "N02 loopback, learned", "::1", 0, false, false },
	{ "N01 metadata, written by the operator", "169.254.169.254", 0, true, false },
	{ "N01 metadata, written by the operator", "100.100.100.200", 0, true, false },
	{ "N02 metadata, written by the operator", "fd00:ec2::254", 0, true, false },
	{ "N03 mapped metadata, written by the operator", "::ffff:169.254.169.254", 0, true, false },
	{ "N16 scope id on a public address", "2606:4700::1", 2, true, false },
	{ "N16 fe80::1%2", "fe80::1", 2, true, false },
	{ "public", "2606:4700::1", 0, false, true },
};

static void
test_sockets(void **state)
{
	for (size_t i = 0; i < SP_COUNT(socks); i++) {
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_scope_id = socks[i].scope };
		struct sockaddr_in in = { .sin_family = AF_INET };
		const struct sockaddr *sa = (const void *)&in6;

		if (inet_pton(AF_INET, socks[i].text, &in.sin_addr) == 1)
			sa = (const void *)&in;
		else
			assert_int_equal(inet_pton(AF_INET6, socks[i].text, &in6.sin6_addr), 1);
		if (sp_netguard_ok(sa, socks[i].private_ok, NULL) != socks[i].want)
			fail_msg("%s: %s", socks[i].id, socks[i].text);
	}
	struct sockaddr un = { .sa_family = AF_UNIX };
	assert_false(sp_netguard_ok(&un, true, NULL));
}

static const struct {
	const char *id;
	sp_slice host;
	bool want;
} names[] = {
	{ "plain", SP_LIT_INIT("api.example.com"), true },
	{ "final dot", SP_LIT_INIT("api.example.com."), true },
	{ "one label", SP_LIT_INIT("dns"), true },
	{ "digit first, not last", SP_LIT_INIT("1.pool.example"), true },
	{ "N04 decimal", SP_LIT_INIT("2130706433"), false },
	{ "N04 hexadecimal", SP_LIT_INIT("0x7f000001"), false },
	{ "N04 octal", SP_LIT_INIT("017700000001"), false },
	{ "N04 short", SP_LIT_INIT("127.1"), false },
	{ "N04 final dot", SP_LIT_INIT("127.0.0.1."), false },
	{ "N04 zero", SP_LIT_INIT("0"), false },
	{ "N04 hexadecimal last part", SP_LIT_INIT("127.0.0x1"), false },
	{ "N04 circled digits", SP_LIT_INIT("\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.\xe2\x93\xaa.0.1"), false },
	{ "N04 ideographic full stop", SP_LIT_INIT("127\xe3\x80\x82""0\xe3\x80\x82""0\xe3\x80\x82""1"), false },
	{ "N04 percent", SP_LIT_INIT("%31%32%37.0.0.1"), false },
	{ "N06 at sign", SP_LIT_INIT("ok.com@127.0.0.1"), false },
	{ "N06 backslash", SP_LIT_INIT("127.0.0.1\\a.com"), false },
	{ "N16 brackets", SP_LIT_INIT("[::1]"), false },
	{ "N16 IPvFuture", SP_LIT_INIT("[v1.x]"), false },
	{ "N16 zone", SP_LIT_INIT("fe80::1%eth0"), false },
	{ "empty", SP_LIT_INIT(""), false },
	{ "dot", SP_LIT_INIT("."), false },
	{ "two final dots", SP_LIT_INIT("a.com.."), false },
	{ "empty label", SP_LIT_INIT("a..com"), false },
	{ "NUL", SP_LIT_INIT("a.com\0.evil"), false },
	{ "space", SP_LIT_INIT("a .com"), false },
	{ "label of 64", SP_LIT_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com"), false },
};

static void
test_names(void **state)
{
	for (size_t i = 0; i < SP_COUNT(names); i++)
		if (sp_netguard_name_ok(names[i].host) != names[i].want)
			fail_msg("%s", names[i].id);
}

int
main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_sockets), cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(all, NULL, NULL);
}
