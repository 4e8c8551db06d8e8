//! Addresses, routes, filters, NAT, name servers, DHCP.

use std::net::Ipv6Addr;

use crate::config::{DnsSource, Lan, Mss, Pp};
use crate::problem::Severity;
use crate::rows::filter::FILTER;
use crate::rows::host::{
    ADVERTISEMENT, BROADCAST, DHCP, FORWARDING, LINK, NAT, NFTABLES, RESOLVER, ROUTES, SOURCE_ROUTE,
};
use crate::scopes;
use crate::table::{Args, Home, Place, Remark, Row};
use crate::text::Fault;
use crate::value::{IDS, Kind, REST, SWITCH, Slot, Value, is_lan, may, must, several};

const LAN: Slot = must("LAN", Kind::Interface);
const MSS: &[Slot] = &[must("MSS", Kind::NumberOr(536, 1460, &["auto", "off"]))];
const MTU: &[Slot] = &[must("MTU", Kind::Number(64, 1500))];
const NET: Slot = must("NET", Kind::Net(&[]));
const D: Slot = must("D", Kind::Number(1, IDS));
const DETECTION: Kind = Kind::Choice(&["in", "out", "notice-interval", "repeat-control", "report", "threshold"]);
const SOURCE: Kind = Kind::Choice(&["none", "me", "server"]);

pub(crate) const ROWS: &[Row] = &[
    Row::host(Home::Global, "ip routing", &[SWITCH], Place::Routing, FORWARDING)
        .default("on")
        .help("route IP packets", "IPルーティングを行うかどうか"),
    Row::foreign(
        Home::Global,
        "ip routing process",
        &[must("PROCESS", Kind::Choice(&["fast", "normal"]))],
        Place::Routing,
    )
    .default("fast")
    .help("how packets are routed", "ルーティングの処理方式"),
    Row::host(Home::Global, "ip route", &[must("NET", Kind::Net(&["default"])), REST], Place::Routing, ROUTES)
        .many(1)
        .syntax("NET gateway GW [PARAM …] [gateway GW2 …]")
        .help("a static route; the host's own routes are used", "静的経路"),
    Row::global(
        "ip LAN address",
        &[
            LAN,
            must("ADDRESS", Kind::Net(&["dhcp", "pdp"])),
            may("BROADCAST", Kind::Group("broadcast", 1)),
            may("SWITCH", Kind::Named("autoip", &Kind::Switch)),
        ],
        Place::Lan,
        |config, v| {
            if is_lan(v.text(0)) {
                let lan: &mut Lan = config.lans.entry(v.text(0).to_owned()).or_default();
                lan.address = v.net(1);
            }
        },
    )
    .many(1)
    .syntax("A/M [broadcast B] | dhcp [autoip=on|off] | pdp")
    .help("the address of a LAN; the host's interface with this address is meant", "LANのIPアドレス")
    .check(|v| match v.0.get(1) {
        _ if !is_lan(v.text(0)) => Some(Remark::new(
            Severity::Host,
            1,
            "no LAN is behind it; the host's own interfaces are used",
            "LANではありません。ホストのインタフェースを使います",
        )),
        Some(Value::Net(_, None)) => Some(Remark::wrong(
            1,
            Fault::BadAddress,
            "the mask is missing; write it as in 192.168.100.1/24",
            "マスクがありません。192.168.100.1/24のように書いてください",
        )),
        Some(Value::Word(_)) => Some(Remark::new(
            Severity::Host,
            1,
            "the host's own DHCP client asks for it; write the address that the host has",
            "アドレスはホストのDHCPクライアントが取得します。ホストのアドレスを書いてください",
        )),
        _ => None,
    }),
    Row::global(
        "ip LAN proxyarp",
        &[LAN, must("SWITCH", Kind::Choice(&["on", "off", "vrrp"])), may("VRID", Kind::Number(1, 255))],
        Place::Lan,
        |config, v| {
            config.lans.entry(v.text(0).to_owned()).or_default().proxyarp = v.on(1);
        },
    )
    .many(1)
    .default("off")
    .help("answer ARP on the LAN for the addresses of clients", "クライアントのアドレスへのARPに代理で答える")
    .check(|v| {
        (v.word(1) == "vrrp").then(|| {
            Remark::new(
                Severity::Host,
                1,
                "VRRP is keepalived's; write on",
                "VRRPはkeepalivedで行います。onと書いてください",
            )
        })
    }),
    Row::host(Home::Global, "ip LAN mtu", &[LAN, must("MTU", Kind::Number(64, 1500))], Place::Lan, LINK)
        .many(1)
        .default("1500")
        .help("MTU of a LAN", "LANのMTU"),
    Row::host(
        Home::Global,
        "ip LAN tcp mss limit",
        &[LAN, must("MSS", Kind::NumberOr(536, 1460, &["auto", "off"]))],
        Place::Lan,
        NFTABLES,
    )
    .many(1)
    .help("limit of TCP's MSS on a LAN", "LANのTCP MSS制限"),
    Row::host(
        Home::Global,
        "ip LAN secure filter",
        &[LAN, must("DIRECTION", Kind::Choice(&["in", "out", "name"])), REST],
        Place::Lan,
        NFTABLES,
    )
    .many(2)
    .help("filters on a LAN", "LANのフィルタ"),
    Row::host(Home::Global, "ip LAN nat descriptor", &[LAN, REST], Place::Lan, NAT)
        .many(1)
        .help("NAT on a LAN", "LANのNAT"),
    Row::host(Home::Global, "ip LAN intrusion detection", &[LAN, must("WHAT", DETECTION), REST], Place::Lan, NFTABLES)
        .many(3)
        .help("intrusion detection on a LAN", "LANの不正アクセス検知"),
    Row::global(
        "ipv6 LAN address",
        &[LAN, must("ADDRESS", Kind::Net6(&["auto", "dhcp"])), REST],
        Place::Lan,
        |config, v| {
            if is_lan(v.text(0)) {
                let lan: &mut Lan = config.lans.entry(v.text(0).to_owned()).or_default();
                lan.address6 = lan.address6.or_else(|| v.net6(1));
            }
        },
    )
    .many(2)
    .syntax("A/M")
    .help("an IPv6 address of a LAN; the first one counts", "LANのIPv6アドレス")
    .check(|v| {
        let plain = v.net6(1).is_some() && v.list(2).is_empty();
        (!plain).then(|| {
            Remark::new(
                Severity::Host,
                1,
                "the host configures its addresses itself; write the address that it has, as in 2001:db8:100::1/64",
                "アドレスの自動設定はホストが行います。2001:db8:100::1/64のようにホストのアドレスを書いてください",
            )
        })
    }),
    Row::host(Home::Global, "ipv6 LAN prefix", &[LAN, REST], Place::Lan, ROUTES)
        .many(2)
        .help("an IPv6 prefix of a LAN", "LANのIPv6プレフィックス"),
    Row::host(Home::Global, "ipv6 LAN rtadv send", &[LAN, REST], Place::Lan, ADVERTISEMENT)
        .many(1)
        .help("router advertisement on a LAN", "LANのルーター広告"),
    Row::host(Home::Global, "ipv6 routing", &[SWITCH], Place::Routing, FORWARDING)
        .help("route IPv6 packets", "IPv6ルーティングを行うかどうか"),
    Row::host(Home::Global, "ipv6 route", &[must("NET", Kind::Free), REST], Place::Routing, ROUTES)
        .many(1)
        .help("a static IPv6 route", "IPv6の静的経路"),
    Row::host(Home::Global, "ipv6 prefix", &[must("N", Kind::Number(1, IDS)), REST], Place::Routing, ROUTES)
        .many(1)
        .help("an IPv6 prefix by number", "IPv6プレフィックスの定義"),
    Row::host(Home::Global, "ipv6 filter", &[must("N", FILTER), REST], Place::Filter, NFTABLES)
        .many(1)
        .help("an IPv6 filter", "IPv6フィルタ"),
    Row::pp("ip pp address", &[NET], Place::IpPp, |pp, v| pp.address = v.net(0))
        .default("the LAN's address")
        .help("this side's address on the link", "PP側の自分のIPアドレス"),
    Row::pp(
        "ip pp remote address",
        &[must("ADDRESS", Kind::Range(&["dhcp", "dhcpc"])), may("LAN", Kind::Interface)],
        Place::IpPp,
        |pp, v| {
            pp.remote_address = match v.0.first() {
                Some(Value::Range(address, last)) if address == last => Some(*address),
                _ => None,
            };
            pp.from_scopes = v.word(0) == "dhcp";
            pp.from_lan = (v.word(0) == "dhcpc").then(|| lan_of(v));
        },
    )
    .syntax("ADDRESS | dhcp | dhcpc [LAN]")
    .help("the caller's address on a numbered interface", "相手側のIPアドレス")
    .check(|v| match v.0.first() {
        Some(Value::Word(_)) => asked_of(v),
        Some(Value::Range(first, last)) if first != last => Some(Remark::wrong(
            0,
            Fault::BadAddress,
            "one address is expected; a range is given by ip pp remote address pool",
            "アドレスを1つ書いてください。範囲はip pp remote address poolで指定します",
        )),
        _ => None,
    }),
    Row::pp(
        "ip pp remote address pool",
        &[several("ADDRESS", Kind::Range(&["dhcp", "dhcpc"]), 1, 3104), may("LAN", Kind::Interface)],
        Place::IpPp,
        pool,
    )
    .syntax("A-B | A [A …] | dhcp | dhcpc [LAN]")
    .help("the addresses lent to callers", "接続者に割り当てるIPアドレスの範囲")
    .check(|v| {
        let asked = v.words(0).next().is_some();
        if asked && v.list(0).len() > 1 {
            return Some(Remark::wrong(
                0,
                Fault::ParameterCount,
                "dhcp stands alone; write either dhcp or addresses",
                "dhcpは単独で書きます。dhcpかアドレスのどちらかにしてください",
            ));
        }
        asked_of(v)
    }),
    Row::pp("ipv6 pp remote prefix pool", &[must("PREFIX", Kind::Net6(&[]))], Place::IpPp, |pp, v| {
        pp.prefix_pool = v.net6(0).map(|(address, bits)| (ipv6_network(address, bits), bits));
    })
    .syntax("PREFIX/LEN")
    .help("the IPv6 prefix out of which each caller is given a /64", "接続者に割り当てるIPv6プレフィックス")
    .check(|v| {
        let short = v.net6(0).is_some_and(|(_, bits)| bits <= 64);
        (!short).then(|| {
            Remark::wrong(
                0,
                Fault::OutOfRange,
                "each caller is given 64 bits, so the prefix has at most 64, such as 2001:db8:200::/56",
                "接続者ごとに/64を割り当てるので、2001:db8:200::/56のように64以下にしてください",
            )
        })
    }),
    Row::foreign(Home::Pp, "ipv6 pp address", &[REST], Place::IpPp)
        .many(1)
        .help("an IPv6 address of the link", "PP側のIPv6アドレス"),
    Row::pp("ip pp mtu", MTU, Place::IpPp, |pp, v| pp.mtu = v.octets(0).unwrap_or(1500))
        .default("1500")
        .help("the largest packet routed to a caller, in octets", "PPのMTU"),
    Row::pp("ip pp tcp mss limit", MSS, Place::IpPp, |pp, v| pp.tcp_mss = mss(v))
        .default("auto")
        .help("limit of TCP's MSS for callers", "PPのTCP MSS制限"),
    Row::host(Home::Pp, "ip pp nat descriptor", &[REST], Place::IpPp, NAT).help("NAT for callers", "PPのNAT"),
    Row::host(Home::Pp, "ip pp intrusion detection", &[must("WHAT", DETECTION), REST], Place::IpPp, NFTABLES)
        .many(2)
        .help("intrusion detection for callers", "PPの不正アクセス検知"),
    Row::tunnel("ip tunnel tcp mss limit", MSS, Place::IpTunnel, |tunnel, v| tunnel.mss = mss(v))
        .default("auto")
        .help("limit of TCP's MSS through the tunnel", "トンネルのTCP MSS制限"),
    Row::tunnel("ip tunnel mtu", MTU, Place::IpTunnel, |tunnel, v| tunnel.mtu = v.octets(0).unwrap_or(1280))
        .default("1280")
        .help("the largest packet routed into the tunnel; ip pp mtu counts for L2TP", "トンネルのMTU"),
    Row::foreign(Home::Tunnel, "ip tunnel address", &[NET], Place::IpTunnel)
        .help("this side's address in the tunnel", "トンネルの自分側のIPアドレス"),
    Row::foreign(Home::Tunnel, "ip tunnel remote address", &[must("ADDRESS", Kind::Ipv4)], Place::IpTunnel)
        .help("the peer's address in the tunnel", "トンネルの相手側のIPアドレス"),
    Row::host(Home::Tunnel, "ip tunnel nat descriptor", &[REST], Place::IpTunnel, NAT)
        .help("NAT in the tunnel", "トンネルのNAT"),
    Row::host(Home::Global, "ip filter source-route", &[SWITCH], Place::Filter, SOURCE_ROUTE)
        .help("drop source-routed packets", "ソースルートのパケットを捨てるかどうか"),
    Row::host(Home::Global, "ip filter directed-broadcast", &[REST], Place::Filter, BROADCAST)
        .help("drop directed broadcasts", "指向性ブロードキャストを捨てるかどうか"),
    Row::host(
        Home::Global,
        "nat descriptor type",
        &[
            D,
            must("TYPE", Kind::Choice(&["none", "nat", "masquerade", "nat-masquerade"])),
            may("HAIRPIN", Kind::Named("hairpin", &Kind::Switch)),
        ],
        Place::Nat,
        NAT,
    )
    .many(1)
    .default("none")
    .help("a NAT's kind", "NATの種類"),
    Row::host(Home::Global, "nat descriptor address outer", &[D, several("OUTER", Kind::Free, 1, 64)], Place::Nat, NAT)
        .many(1)
        .default("ipcp")
        .help("a NAT's outside addresses", "NATの外側アドレス"),
    Row::host(Home::Global, "nat descriptor address inner", &[D, several("INNER", Kind::Free, 1, 64)], Place::Nat, NAT)
        .many(1)
        .default("auto")
        .help("a NAT's inside addresses", "NATの内側アドレス"),
    Row::host(
        Home::Global,
        "nat descriptor masquerade static",
        &[
            D,
            must("ID", Kind::Number(1, IDS)),
            must("INNER", Kind::Ipv4),
            must("PROTO", Kind::Free),
            may("PORT", Kind::Free),
        ],
        Place::Nat,
        NAT,
    )
    .many(2)
    .syntax("D ID INNER PROTO [[OUTER=]PORT]")
    .help("a port that a NAT hands on to an inside address", "静的IPマスカレード"),
    Row::host(Home::Global, "nat descriptor timer", &[D, REST], Place::Nat, NAT)
        .many(2)
        .help("how long a NAT keeps a mapping", "NATの保持時間"),
    Row::global(
        "dns server",
        &[several("ADDRESS", Kind::Ip, 1, 4), may("EDNS", Kind::Named("edns", &Kind::Switch))],
        Place::Dns,
        |config, v| {
            config.dns_servers = v.ipv4s(0);
            config.dns_servers6 = v.ipv6s(0);
        },
    )
    .help("name servers, of which clients are told", "DNSサーバーのIPアドレス"),
    Row::host(Home::Global, "dns server pp", &[must("N", Kind::Free), REST], Place::Dns, RESOLVER)
        .help("name servers learnt on a PP interface", "PPで得たDNSサーバーを使う"),
    Row::host(Home::Global, "dns server dhcp", &[must("LAN", Kind::Interface), REST], Place::Dns, RESOLVER)
        .help("name servers learnt by DHCP", "DHCPで得たDNSサーバーを使う"),
    Row::host(Home::Global, "dns server select", &[must("N", Kind::Number(1, IDS)), REST], Place::Dns, RESOLVER)
        .many(1)
        .help("name servers for some names", "名前ごとのDNSサーバー"),
    Row::global(
        "dns notice order",
        &[must("PROTOCOL", Kind::Choice(&["dhcp", "dhcpv6", "msext"])), several("SERVER", SOURCE, 1, 2)],
        Place::Dns,
        |config, v| {
            let source = |word| match word {
                "me" => DnsSource::Me,
                "server" => DnsSource::Server,
                _ => DnsSource::None,
            };
            let sources = v.words(1).map(source).collect();
            match v.word(0) {
                "msext" => config.dns_notice_msext = sources,
                "dhcp" => config.dns_notice_dhcp = Some(sources),
                _ => config.dns_notice_dhcpv6 = Some(sources),
            }
        },
    )
    .many(1)
    .default("me server")
    .help(
        "which name servers a client is told: this server, those of dns server, or none",
        "クライアントに知らせるDNSサーバーの順序",
    ),
    Row::host(
        Home::Global,
        "dns service",
        &[must("SERVICE", Kind::Choice(&["recursive", "off"]))],
        Place::Dns,
        RESOLVER,
    )
    .default("recursive")
    .help("answer DNS questions", "DNSリカーシブサーバー機能"),
    Row::host(Home::Global, "dns private address spoof", &[SWITCH], Place::Dns, RESOLVER)
        .default("off")
        .help("answer for private addresses", "プライベートアドレスの逆引きに答える"),
    Row::host(Home::Global, "dns host", &[REST], Place::Dns, RESOLVER).help("who may ask DNS", "DNSを使えるホスト"),
    Row::global("dns domain", &[must("NAME", Kind::Host(255, &[]))], Place::Dns, |config, v| {
        config.dns_domain = Some(v.text(0).trim_end_matches('.').to_owned()).filter(|name| !name.is_empty());
    })
    .help("the domain's name, of which clients are told", "DNSドメイン名"),
    Row::host(Home::Global, "dns static", &[REST], Place::Dns, RESOLVER)
        .many(2)
        .help("a static name", "静的DNSレコード"),
    Row::global("wins server", &[several("ADDRESS", Kind::Ipv4, 1, 2)], Place::Wins, |config, v| {
        config.wins_servers = v.ipv4s(0)
    })
    .help("NetBIOS name servers, of which clients are told", "WINSサーバーのIPアドレス"),
    Row::host(Home::Global, "dhcp service", &[must("SERVICE", Kind::Choice(&["server", "relay"]))], Place::Dhcp, DHCP)
        .help("serve or relay DHCP", "DHCPの動作"),
    Row::host(Home::Global, "dhcp server rfc2131 compliant", &[REST], Place::Dhcp, DHCP)
        .help("how closely DHCP follows RFC 2131", "DHCPのRFC2131への準拠"),
    Row::global("dhcp scope", &[must("N", Kind::Number(1, 65_535)), REST], Place::Dhcp, |config, v| {
        if let Ok(scope) = scopes::read(&v.free(1)) {
            config.dhcp_scopes.insert(v.number(0).unwrap_or_default(), scope);
        }
    })
    .many(1)
    .syntax("N A-B/M [except A …] [gateway G] [expire T] [maxexpire T]")
    .help(
        "addresses for ip pp remote address pool dhcp, which this server lends to callers itself",
        "DHCPで割り当てる範囲(pool dhcpの接続者に割り当てる)",
    )
    .check(|v| {
        scopes::read(&v.free(1)).err().map(|(word, message)| Remark {
            severity: Severity::Error,
            slot: 1,
            word,
            message,
        })
    }),
    Row::host(Home::Global, "dhcp scope bind", &[must("N", Kind::Number(1, 65_535)), REST], Place::Dhcp, DHCP)
        .many(2)
        .help("an address kept for one host", "DHCPの固定割り当て"),
    Row::host(Home::Global, "dhcp scope option", &[must("N", Kind::Number(1, 65_535)), REST], Place::Dhcp, DHCP)
        .many(1)
        .help("options told by DHCP", "DHCPのオプション"),
    Row::kept(Home::Global, "radius auth", &[SWITCH], Place::Radius)
        .default("off")
        .help("ask RADIUS about callers not known here", "RADIUS認証を使うかどうか"),
    Row::kept(Home::Global, "radius account", &[SWITCH], Place::Radius)
        .default("off")
        .help("tell RADIUS about sessions", "RADIUSアカウントを使うかどうか"),
    Row::kept(Home::Global, "radius server", SERVERS, Place::Radius).help("RADIUS servers for both", "RADIUSサーバー"),
    Row::kept(Home::Global, "radius auth server", SERVERS, Place::Radius)
        .help("RADIUS servers for authentication", "RADIUS認証サーバー"),
    Row::kept(Home::Global, "radius account server", SERVERS, Place::Radius)
        .help("RADIUS servers for accounting", "RADIUSアカウントサーバー"),
    Row::kept(Home::Global, "radius auth port", PORT, Place::Radius)
        .default("1645")
        .help("UDP port of RADIUS authentication", "RADIUS認証のポート番号"),
    Row::kept(Home::Global, "radius account port", PORT, Place::Radius)
        .default("1646")
        .help("UDP port of RADIUS accounting", "RADIUSアカウントのポート番号"),
    Row::kept(Home::Global, "radius secret", &[must("TEXT", Kind::Text(1, 128))], Place::Radius)
        .help("the secret shared with RADIUS", "RADIUSの秘密鍵"),
    Row::kept(
        Home::Global,
        "radius retry",
        &[must("COUNT", Kind::Number(1, 10)), must("MS", Kind::Number(20, 10_000))],
        Place::Radius,
    )
    .default("4 3000")
    .help("how often and after how many milliseconds RADIUS is asked again", "RADIUSの再送回数と間隔"),
];

/// The prefix of so many bits that an address begins with.
pub(crate) fn ipv6_network(address: Ipv6Addr, bits: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(u32::from(bits))).unwrap_or(0);
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

const SERVERS: &[Slot] = &[several("ADDRESS", Kind::Ip, 1, 2)];
const PORT: &[Slot] = &[must("PORT", Kind::Number(1, 65_535))];

fn mss(v: Args<'_>) -> Mss {
    match (v.octets(0), v.word(0)) {
        (Some(size), _) => Mss::Fixed(size),
        (None, "off") => Mss::Off,
        (None, _) => Mss::Auto,
    }
}

/// The LAN whose DHCP server is asked: the first where none is named.
fn lan_of(v: Args<'_>) -> String {
    Some(v.text(1)).filter(|lan| !lan.is_empty()).unwrap_or("lan1").to_owned()
}

/// Only `dhcpc` names a LAN, and it must be one.
fn asked_of(v: Args<'_>) -> Option<Remark> {
    let lan = Some(v.text(1)).filter(|lan| !lan.is_empty())?;
    if !v.words(0).any(|word| word == "dhcpc") {
        return Some(Remark::wrong(
            1,
            Fault::ParameterCount,
            "only dhcpc names a LAN, as in dhcpc lan1",
            "LANを書けるのはdhcpcだけです(dhcpc lan1)",
        ));
    }
    (!is_lan(lan)).then(|| {
        Remark::wrong(
            1,
            Fault::IllegalKeyword,
            "no DHCP server can be asked there; name a LAN such as lan1",
            "ここではDHCPサーバーに問い合わせられません。lan1のようなLANを書いてください",
        )
    })
}

fn pool(pp: &mut Pp, v: Args<'_>) {
    pp.from_scopes = v.words(0).any(|word| word == "dhcp");
    pp.from_lan = v.words(0).any(|word| word == "dhcpc").then(|| lan_of(v));
    pp.pool = v
        .list(0)
        .iter()
        .filter_map(|range| if let Value::Range(a, b) = range { Some((*a, *b)) } else { None })
        .collect();
}
