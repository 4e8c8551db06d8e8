//! IPsec and IKE.

use std::net::IpAddr;

use crate::config::{
    Gateway, IkeEncryption, IkeGroup, IkeHash, IkeLog, IkeName, IkeNameKind, IkeRetry, Rekey, Remote, SaPolicy,
    Transport, filter,
};
use crate::problem::Severity;
use crate::request::Request;
use crate::table::{Args, Home, Place, Remark, Row};
use crate::text::{Fault, Text};
use crate::value::{G, Hidden, IDS, Kind, SWITCH, TUNNELS, Value, may, must, several};

/// Ciphers of `ipsec ike refuse` without which there is no phase 1; those of counter modes are for phase 2 alone.
pub(crate) const CIPHERS: &[&str] = &["des-cbc", "3des-cbc", "aes-cbc", "aes192-cbc", "aes256-cbc"];
/// Hashes of `ipsec ike refuse`.
pub(crate) const HASHES: &[&str] = &["md5", "sha", "sha256", "sha384", "sha512"];
/// Groups of `ipsec ike refuse`.
pub(crate) const GROUPS: &[&str] = &[
    "modp768",
    "modp1024",
    "modp1536",
    "modp2048",
    "modp3072",
    "modp4096",
    "modp6144",
    "modp8192",
    "curve25519",
    "ecp521",
    "ecp384",
    "ecp256",
];
const REFUSABLE: &[&str] = &[
    "des-cbc",
    "3des-cbc",
    "aes-cbc",
    "aes192-cbc",
    "aes256-cbc",
    "aes-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "aes-gcm",
    "aes192-gcm",
    "aes256-gcm",
    "md5",
    "sha",
    "sha256",
    "sha384",
    "sha512",
    "modp768",
    "modp1024",
    "modp1536",
    "modp2048",
    "modp3072",
    "modp4096",
    "modp6144",
    "modp8192",
    "ecp256",
    "ecp384",
    "ecp521",
    "curve25519",
];
const GROUP: Kind = Kind::Choice(&["modp768", "modp1024", "modp1536", "modp2048"]);
const AUTO: Kind = Kind::Choice(&["on", "off", "auto"]);
const NAME_TYPE: Kind =
    Kind::Choice(&["ipv4-addr", "fqdn", "user-fqdn", "rfc822-addr", "ipv6-addr", "key-id", "tel", "tel-key"]);
const LOG: Kind = Kind::Choice(&["message-info", "payload-info", "key-info"]);

pub(crate) const ROWS: &[Row] = &[
    Row::global("ipsec use", &[SWITCH], Place::Ipsec, |config, v| config.ipsec_use = v.on(0))
        .default("on")
        .help("run IPsec at all", "IPsecを動かすかどうか"),
    Row::global("ipsec auto refresh", &[may("G", Kind::Gateway), SWITCH], Place::Ipsec, |config, v| {
        if !v.has(0) {
            config.auto_refresh = v.on(1);
        }
    })
    .many(1)
    .default("off; on for each gateway")
    .help("start key exchange by ourselves; no effect on gateways of unknown address", "自分から鍵交換を始めるかどうか"),
    Row::tunnel("ipsec tunnel", &[must("P", Kind::Number(1, IDS))], Place::TunnelIpsec, |tunnel, v| tunnel.policy = v.number(0))
        .help("the number of the SA policy that the tunnel uses", "トンネルで使うSAポリシーの番号"),
    Row::global(
        "ipsec sa policy",
        &[
            must("P", Kind::Number(1, IDS)),
            G,
            must("PROTOCOL", Kind::Choice(&["esp", "ah"])),
            may("ESP_ALG", Kind::Choice(&["3des-cbc", "des-cbc", "aes-cbc", "aes256-cbc", "null"])),
            may("AH_ALG", Kind::Choice(&["md5-hmac", "sha-hmac", "sha256-hmac", "sha384-hmac", "sha512-hmac"])),
            may("NET", Kind::Named("local-id", &Kind::Free)),
            may("NET", Kind::Named("remote-id", &Kind::Free)),
            may("CHECK", Kind::Named("anti-replay-check", &Kind::Switch)),
        ],
        Place::Policy,
        |config, v| {
            let id = v.number(0).unwrap_or_default();
            let word = |place: usize| v.has(place).then(|| v.word(place));
            let policy = SaPolicy {
                id,
                gateway: v.number(1).unwrap_or_default(),
                esp: v.word(2) == "esp",
                cipher: word(3),
                authentication: word(4),
                anti_replay: v.word(7) != "off",
            };
            config.policies.insert(id, policy);
        },
    )
    .many(1)
    .help("an SA policy: its gateway, cipher and authentication", "SAのポリシー(暗号・認証アルゴリズム)")
    .check(|v| {
        if v.word(3) == "null" && v.word(2) == "esp" {
            let english = "null encrypts nothing (an extension of this server, for measurements): everybody on the way can read what clients send; write aes-cbc";
            let japanese = "nullでは何も暗号化されず(本サーバーの測定用の拡張)、途中の誰もが通信を読めます。aes-cbcと書いてください";
            return Some(Remark::new(Severity::Warning, 3, english, japanese));
        }
        let wrong = v.word(2) == "ah" && v.has(3);
        wrong.then(|| Remark::wrong(3, Fault::IllegalKeyword, "ah has no cipher; write an authentication algorithm such as sha-hmac", "ahに暗号はありません。sha-hmacのような認証アルゴリズムを書いてください"))
    }),
    Row::foreign(Home::Global, "ipsec ike backward-compatibility", &[G, must("TYPE", Kind::Number(1, 2))], Place::Gateway)
        .many(1)
        .default("1")
        .help("compatibility with old routers", "旧機種との互換性"),
    Row::gateway(
        "ipsec ike duration",
        &[
            must("SA", Kind::Choice(&["ipsec-sa", "child-sa", "isakmp-sa", "ike-sa"])),
            G,
            must("SECOND", Kind::Number(300, 691_200)),
            may("KBYTES", Kind::NumberOr(100, IDS, &["off"])),
            may("REKEY", Kind::Group("rekey", 1)),
            may("TIME", Kind::Named("forced-reduction", &Kind::Number(1, 691_200))),
        ],
        duration,
    )
    .many(2)
    .default("the client's own; rekey at 98 %")
    .help("longest lifetime of SAs, the smaller of this and the client's own; when we renew what the client has not", "SAの寿命の上限(クライアントの値と短い方)と更新の時期")
    .check(|v| match (v.list(4).first(), rekey(v)) {
        (Some(_), None) => Some(Remark::wrong(4, Fault::OutOfRange, "rekey takes 70%..90% or off", "rekeyは70%~90%かoffです")),
        (_, Some(Rekey::Off)) if v.word(0).starts_with("ipsec") || v.word(0).starts_with("child") => {
            Some(Remark::wrong(4, Fault::OutOfRange, "rekey off is for isakmp-sa; write 70%..90%", "rekey offはisakmp-saだけで使えます。70%~90%と書いてください"))
        }
        _ if v.has(5) && matches!(v.word(0), "isakmp-sa" | "ike-sa") => {
            Some(Remark::new(Severity::Foreign, 5, "an ISAKMP SA that was replaced ends when the client deletes it; write it for ipsec-sa", "置き換えられたISAKMP SAはクライアントが消したときに終わります。ipsec-saに書いてください"))
        }
        _ => None,
    }),
    Row::gateway(
        "ipsec ike encryption",
        &[G, must("CIPHER", Kind::Choice(&["3des-cbc", "des-cbc", "aes-cbc", "aes256-cbc"]))],
        |gateway, v| {
            gateway.encryption = match v.word(1) {
                "des-cbc" => IkeEncryption::Des,
                "aes-cbc" => IkeEncryption::Aes128,
                "aes256-cbc" => IkeEncryption::Aes256,
                _ => IkeEncryption::TripleDes,
            };
        },
    )
    .default("3des-cbc")
    .help("phase 1 cipher; binding only with negotiate-strictly", "フェーズ1の暗号"),
    Row::gateway("ipsec ike group", &[G, must("GROUP", GROUP), may("GROUP", GROUP)], |gateway, v| {
        gateway.group = (group(v.word(1)), v.has(2).then(|| group(v.word(2))));
    })
    .default("modp1024")
    .help("Diffie-Hellman groups of phase 1 and 2; binding only with negotiate-strictly", "鍵交換のグループ"),
    Row::gateway("ipsec ike hash", &[G, must("HASH", Kind::Choice(&["md5", "sha", "sha256", "sha384", "sha512"]))], |gateway, v| {
        gateway.hash = match v.word(1) {
            "md5" => IkeHash::Md5,
            "sha256" => IkeHash::Sha256,
            "sha384" => IkeHash::Sha384,
            "sha512" => IkeHash::Sha512,
            _ => IkeHash::Sha,
        };
    })
    .default("sha")
    .help("phase 1 hash; binding only with negotiate-strictly", "フェーズ1のハッシュ"),
    Row::gateway("ipsec ike keepalive log", &[G, SWITCH], |gateway, v| gateway.keepalive_log = v.on(1))
        .default("on")
        .help("log IKE keepalives, at debug level", "IKEキープアライブをログに残す"),
    Row::gateway(
        "ipsec ike keepalive use",
        &[
            G,
            must("SWITCH", AUTO),
            may("METHOD", Kind::Choice(&["heartbeat", "icmp-echo", "dpd", "rfc4306"])),
            may("ADDRESS", Kind::Ipv4),
            may("INTERVAL", Kind::Number(1, 600)),
            may("COUNT", Kind::Number(1, 50)),
            may("UPWAIT", Kind::Number(0, 1_000_000)),
            may("DOWN", Kind::Named("down", &Kind::Choice(&["disconnect"]))),
            may("LENGTH", Kind::Named("length", &Kind::Number(64, 1500))),
            may("SEND", Kind::Named("send-only-new-sa", &AUTO)),
        ],
        |gateway, v| {
            let dpd = v.word(1) == "on" && v.word(2) == "dpd";
            gateway.dpd = dpd.then(|| (v.number(4).unwrap_or(10), v.number(5).unwrap_or(6)));
        },
    )
    .syntax("G on|off|auto [heartbeat|dpd|rfc4306 [INTERVAL COUNT [UPWAIT]]] [icmp-echo ADDRESS [length=L] …] [down=disconnect] [send-only-new-sa=on|off|auto]")
    .default("auto")
    .help("find out by IKE whether the peer is alive; off for L2TP, or on G dpd", "IKEキープアライブ")
    .check(keepalive),
    Row::gateway("ipsec ike local address", &[G, several("ADDRESS", Kind::Free, 1, 5)], |gateway, v| {
        gateway.local_address = match v.list(1) {
            [Value::Text(address)] => address.parse().ok(),
            _ => None,
        };
    })
    .syntax("G ADDRESS")
    .help("this side's address; this server answers from the address that it was asked at", "自分側のIPアドレス")
    .check(|v| match v.list(1) {
        [Value::Text(address)] if address.parse::<IpAddr>().is_ok() => None,
        [Value::Text(word), _, ..] if matches!(word.as_str(), "vrrp" | "ipv6" | "ipcp") => {
            Some(Remark::new(Severity::Foreign, 1, "only a plain address is taken; write ipsec ike local address G ADDRESS", "アドレスだけが使えます。ipsec ike local address G ADDRESSと書いてください"))
        }
        _ => Some(Remark::wrong(1, Fault::BadAddress, "write one address such as 192.168.100.1", "192.168.100.1のようなアドレスを1つ書いてください")),
    }),
    Row::foreign(Home::Global, "ipsec ike local id", &[G, must("ADDRESS", Kind::Net(&[]))], Place::Gateway)
        .many(1)
        .help("this side's phase 2 identity; not used for L2TP", "自分側のフェーズ2のID"),
    Row::gateway("ipsec ike local name", &[G, must("NAME", Kind::Text(1, 256)), may("TYPE", NAME_TYPE)], |gateway, v| {
        gateway.local_name = Some(Box::new(ike_name(v)));
    })
    .help("this side's name in aggressive mode", "アグレッシブモードでの自分側の名前"),
    Row::global("ipsec ike log", &[may("G", Kind::Gateway), several("TYPE", LOG, 1, 3)], Place::Gateway, |config, v| {
        let wanted = v.words(1).map(log);
        match v.number(0) {
            None => config.ike_log = wanted.collect(),
            Some(id) => config.gateways.entry(id, || Gateway { id, ..Gateway::default() }).log = wanted.collect(),
        }
    })
    .many(1)
    .help("what IKE logs at debug level: each message, its payloads, which keys come about (never the keys)", "IKEのログの種類"),
    Row::gateway(
        "ipsec ike nat-traversal",
        &[
            G,
            SWITCH,
            may("INTERVAL", Kind::Named("keepalive", &Kind::NumberOr(30, 100_000, &["off"]))),
            may("FORCE", Kind::Named("force", &Kind::Switch)),
            may("TYPE", Kind::Named("type", &Kind::Number(1, 2))),
        ],
        |gateway, v| {
            gateway.nat_traversal = v.on(1);
            gateway.nat_keepalive_s = if v.has(2) { v.number(2) } else { Some(300) };
            gateway.force_encapsulation = v.on(3);
            gateway.nat_traversal_type = if v.number(4) == Some(2) { 2 } else { 1 };
        },
    )
    .syntax("G on|off [keepalive=30..100000|off] [force=on|off] [type=1|2]")
    .default("off; keepalive=300 force=off type=1")
    .help("NAT traversal: clients behind a NAT can connect", "NATトラバーサル"),
    Row::gateway("ipsec ike negotiate-strictly", &[G, SWITCH], |gateway, v| gateway.strict = v.on(1))
        .default("off")
        .help("refuse proposals that differ from encryption, hash, group and pfs", "設定と異なる提案を拒むかどうか"),
    Row::foreign(
        Home::Global,
        "ipsec ike payload type",
        &[G, must("T1", Kind::Number(1, 3)), may("T2", Kind::Number(1, 2))],
        Place::Gateway,
    )
    .many(1)
    .default("2")
    .help("form of IKE payloads", "IKEペイロードのタイプ"),
    Row::gateway("ipsec ike pfs", &[G, SWITCH], |gateway, v| gateway.pfs = v.on(1))
        .default("off")
        .help("a new Diffie-Hellman exchange for each phase 2; binding only with negotiate-strictly", "PFSを使うかどうか"),
    Row::gateway(
        "ipsec ike pre-shared-key",
        &[G, may("FORM", Kind::Choice(&["text"])), must("KEY", Kind::Text(1, 258))],
        |gateway, v| gateway.key = Hidden::new(key(v).unwrap_or_default()),
    )
    .syntax("G text TEXT | G 0xHEX")
    .help("the pre-shared key: text, or octets in hexadecimal", "事前共有鍵")
    .check(|v| match key(v) {
        Some(_) => None,
        None if v.has(1) => Some(Remark::wrong(2, Fault::OutOfRange, "the key has more than 128 characters", "鍵は128文字までです")),
        None => Some(Remark::wrong(
            2,
            Fault::IllegalKeyword,
            "a key without the word text must be 0x and an even number of hexadecimal digits, at most 128 octets; write text before a key of characters",
            "textのない鍵は0xに続く偶数桁の16進数(128バイトまで)です。文字の鍵の前にはtextと書いてください",
        )),
    }),
    Row::gateway("ipsec ike remote address", &[G, must("HOST", Kind::Host(255, &["any"]))], |gateway, v| {
        gateway.remote = match (v.word(1), v.ip(1)) {
            ("any", _) => Remote::Any,
            (_, Some(address)) => Remote::Address(address),
            (_, None) => Remote::Name(v.text(1).to_owned()),
        };
    })
    .syntax("G ADDRESS|NAME|any")
    .help("the peer's address; any for clients of unknown address", "相手のIPアドレス(anyで不特定)")
    .check(|v| {
        let named = v.word(1) != "any" && v.ip(1).is_none();
        let english = "a name is not looked up, so this gateway serves nobody: write the address, or any";
        let japanese = "名前は解決されないため、このゲートウェイには誰も接続できません。アドレスかanyを書いてください";
        named.then(|| Remark::new(Severity::Warning, 1, english, japanese))
    }),
    Row::foreign(Home::Global, "ipsec ike remote id", &[G, must("ADDRESS", Kind::Net(&[]))], Place::Gateway)
        .many(1)
        .help("the peer's phase 2 identity; not used for L2TP", "相手側のフェーズ2のID"),
    Row::gateway("ipsec ike remote name", &[G, must("NAME", Kind::Text(1, 256)), may("TYPE", NAME_TYPE)], |gateway, v| {
        gateway.remote_name = Some(Box::new(ike_name(v)));
    })
    .default("no name: aggressive mode is refused")
    .help("the peer's name; lets it in by aggressive mode, in which the key can be tried offline", "アグレッシブモードでの相手側の名前"),
    Row::foreign(Home::Global, "ipsec ike restrict-dangling-sa", &[G, must("ACTION", Kind::Choice(&["auto", "off"]))], Place::Gateway)
        .many(1)
        .default("auto")
        .help("couple IKE and IPsec SAs in aggressive mode", "ダングリングSAの制限"),
    Row::gateway("ipsec ike send info", &[G, SWITCH], |gateway, v| gateway.send_info = v.on(1))
        .default("on")
        .help("tell clients by delete and notify messages what has ended and what is refused", "情報ペイロードを送るかどうか"),
    Row::foreign(Home::Global, "ipsec ike always-on", &[G, SWITCH], Place::Gateway)
        .many(1)
        .default("off")
        .help("keep exchanging keys without end", "鍵交換を続けるかどうか"),
    Row::foreign(Home::Global, "ipsec ike esp-encapsulation", &[G, SWITCH], Place::Gateway)
        .many(1)
        .default("off")
        .help("Yamaha's own ESP in UDP", "ESPをUDPでカプセル化する(独自方式)"),
    Row::gateway("ipsec ike version", &[G, must("VERSION", Kind::Number(1, 2))], |gateway, v| {
        gateway.ikev1 = v.number(1) != Some(2);
    })
    .default("1")
    .help("IKE's version; only 1 is spoken, so a gateway of 2 serves nobody", "IKEのバージョン(使えるのは1だけ)")
    .check(|v| {
        (v.number(1) == Some(2)).then(|| {
            Remark::new(
                Severity::Warning,
                1,
                "IKEv2 is not spoken, so this gateway serves nobody; write 1",
                "IKEv2は使えないため、このゲートウェイには誰も接続できません。1と書いてください",
            )
        })
    }),
    Row::foreign(Home::Global, "ipsec ike queue length", &[must("N", Kind::Number(20, 24_000))], Place::Ipsec)
        .help("length of the queue of IKE messages", "IKEの受信キューの長さ"),
    Row::global(
        "ipsec ike retry",
        &[must("COUNT", Kind::Number(1, 50)), must("INTERVAL", Kind::Number(1, 100)), may("MAX_SESSION", Kind::Number(1, 5))],
        Place::Ipsec,
        |config, v| {
            config.ike_retry =
                v.number(0).zip(v.number(1)).map(|(count, interval_s)| IkeRetry { count, interval_s });
        },
    )
    .default("after 1, 2, 4, 8 and 8 seconds")
    .help("how often and after how many seconds messages of our own IKE exchanges are sent again; a client has one at a time", "鍵交換の再送回数と間隔"),
    Row::global("ipsec ike refuse", &[several("WORD", Kind::Choice(REFUSABLE), 1, 28)], Place::Ipsec, |config, v| {
        config.refused.extend(v.words(0).map(str::to_owned));
    })
    .each()
    .syntax("WORD [WORD …]; WORD: des-cbc|3des-cbc|aes-cbc|aes192-cbc|aes256-cbc|aes-ctr|aes192-ctr|aes256-ctr|aes-gcm|aes192-gcm|aes256-gcm|md5|sha|sha256|sha384|sha512|modp768|modp1024|modp1536|modp2048|modp3072|modp4096|modp6144|modp8192|ecp256|ecp384|ecp521|curve25519")
    .default("nothing is refused")
    .help("what IKE must not accept (an extension of this server); no takes words out", "IKEで受け付けないアルゴリズム(本サーバーの拡張)"),
    Row::global("ipsec log illegal-spi", &[SWITCH], Place::Ipsec, |config, v| config.log_illegal_spi = v.on(0))
        .default("off")
        .help("log packets of unknown SPI", "不正なSPIのパケットをログに残す"),
    Row::foreign(Home::Tunnel, "ipsec ipcomp type", &[must("TYPE", Kind::Choice(&["deflate", "none"]))], Place::TunnelIpsec)
        .default("none")
        .help("compression of IP packets", "IPComp圧縮の種類"),
    Row::global(
        "ipsec transport",
        &[
            must("ID", Kind::Number(1, IDS)),
            must("P", Kind::Number(1, IDS)),
            may("PROTO", Kind::Free),
            may("SRC_PORTS", Kind::Free),
            may("DST_PORTS", Kind::Free),
        ],
        Place::Ipsec,
        |config, v| {
            if let Ok(transport) = transport(v) {
                config.transports.insert(v.number(0).unwrap_or_default(), transport);
            }
        },
    )
    .many(1)
    .syntax("ID P [PROTO [SRC_PORTS [DST_PORTS]]]")
    .help("what travels in transport mode under policy P; udp 1701 for L2TP", "トランスポートモードの定義")
    .check(|v| match transport(v) {
        Err((slot, message)) => Some(Remark { severity: Severity::Error, slot, word: 0, message }),
        Ok(found) => found.peer_ports.map(|_| {
            let english = "only clients that send L2TP from this port of theirs are served, which phones do not; write * or leave it out";
            let japanese = "この送信元ポートのクライアントだけが接続できます(スマートフォンは別のポートを使います)。*と書くか省いてください";
            Remark::new(Severity::Warning, 4, english, japanese)
        }),
    }),
    Row::global(
        "ipsec transport template",
        &[must("ID1", Kind::Number(1, IDS)), several("ID2", Kind::Numbers(IDS), 1, 256)],
        Place::Ipsec,
        |_, _| {},
    )
    .many(1)
    .syntax("ID1 ID2|A-B [ID2|A-B …]")
    .help("give a transport definition to other numbers, with equal policies", "トランスポート設定を他の番号へ展開する")
    .check(|v| {
        let count: u64 = v.list(1).iter().map(|r| if let Value::Numbers(a, b) = r { u64::from(b - a) + 1 } else { 0 }).sum();
        let message = Fault::OutOfRange.because(
            format_args!("the list names {count} numbers, at most {TUNNELS} are possible"),
            format_args!("番号が{count}個あります。{TUNNELS}個までです"),
        );
        (count > u64::from(TUNNELS)).then_some(Remark { severity: Severity::Error, slot: 1, word: 0, message })
    }),
    Row::ask("ipsec refresh sa", &[], |_| Request::RefreshSa).help("delete all SAs without telling the peers", "すべてのSAを相手に知らせず消す"),
    Row::ask("ipsec sa delete", &[must("ID", Kind::NumberOr(1, IDS, &["all"]))], |v| Request::DeleteSa(v.number(0))).help("delete SAs and tell the peers", "SAを消す"),
];

/// The point of renewal that a line names; none where it is none that there is.
fn rekey(v: Args<'_>) -> Option<Rekey> {
    match v.list(4).first() {
        None => Some(Rekey::Late),
        Some(Value::Text(text)) if text == "off" => Some(Rekey::Off),
        Some(Value::Text(text)) => {
            let percent = text.strip_suffix('%')?.parse().ok()?;
            (70..=90).contains(&percent).then_some(Rekey::Percent(percent))
        }
        Some(_) => None,
    }
}

/// What a line of `ipsec transport` lets through, or which place of it is wrong.
fn transport(v: Args<'_>) -> Result<Transport, (usize, Text)> {
    let word = |place: usize| v.free(place).pop().unwrap_or_else(|| "*".to_owned()).to_ascii_lowercase();
    let protocol = word(2);
    let number = filter::protocol_of(&protocol);
    if number.is_none() && protocol != "*" {
        let why = Fault::IllegalKeyword.because(
            format_args!("\"{protocol}\" is not a protocol: udp, tcp, a number 0..255 or *"),
            format_args!("\"{protocol}\"はプロトコルではありません。udp・tcp・0~255の番号・*のいずれかです"),
        );
        return Err((2, why));
    }
    let local = filter::ports(&word(3), u16::MAX).map_err(|why| (3, why))?;
    let peer = filter::ports(&word(4), u16::MAX).map_err(|why| (4, why))?;
    let within = |(first, last): &(u16, u16)| (*first..=*last).contains(&1701);
    Ok(Transport {
        policy: v.number(1).unwrap_or_default(),
        l2tp: number.is_none_or(|number| number == 17) && (local.is_empty() || local.iter().any(within)),
        peer_ports: (!peer.is_empty()).then(|| peer.into_boxed_slice()),
    })
}

fn duration(gateway: &mut Gateway, v: Args<'_>) {
    let seconds = v.number(2);
    let rekey = rekey(v).unwrap_or_default();
    match v.word(0) {
        "isakmp-sa" | "ike-sa" => (gateway.isakmp_lifetime_s, gateway.isakmp_rekey) = (seconds, rekey),
        _ => {
            (gateway.ipsec_lifetime_s, gateway.ipsec_rekey) = (seconds, rekey);
            gateway.ipsec_lifetime_kb = v.number(3);
            gateway.forced_reduction_s = v.number(5);
        }
    }
}

fn ike_name(v: Args<'_>) -> IkeName {
    let kind = match v.word(2) {
        "ipv4-addr" => Some(IkeNameKind::Ipv4Addr),
        "ipv6-addr" => Some(IkeNameKind::Ipv6Addr),
        "fqdn" => Some(IkeNameKind::Fqdn),
        "user-fqdn" | "rfc822-addr" => Some(IkeNameKind::UserFqdn),
        // With IKEv1 telephone numbers act like key-id (yamaha.md §3.3).
        "key-id" | "tel" | "tel-key" => Some(IkeNameKind::KeyId),
        _ => None,
    };
    IkeName { text: v.text(1).to_owned(), kind }
}

fn group(word: &str) -> IkeGroup {
    match word {
        "modp768" => IkeGroup::Modp768,
        "modp1536" => IkeGroup::Modp1536,
        "modp2048" => IkeGroup::Modp2048,
        _ => IkeGroup::Modp1024,
    }
}

fn log(word: &str) -> IkeLog {
    match word {
        "message-info" => IkeLog::MessageInfo,
        "payload-info" => IkeLog::PayloadInfo,
        _ => IkeLog::KeyInfo,
    }
}

/// The octets of a pre-shared key: those of the text, or what the hexadecimal digits stand for.
fn key(v: Args<'_>) -> Option<Vec<u8>> {
    const MOST: usize = 128;
    let text = v.text(2);
    if v.has(1) {
        return (text.chars().count() <= MOST).then(|| text.as_bytes().to_vec());
    }
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) || digits.len() > 2 * MOST {
        return None;
    }
    let digit = |d: &u8| char::from(*d).to_digit(16).and_then(|d| u8::try_from(d).ok());
    digits.chunks_exact(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.last()?)?)).collect()
}

fn keepalive(v: Args<'_>) -> Option<Remark> {
    // INTERVAL and COUNT stand together; a number that fits neither would pass for UPWAIT.
    if v.has(6) && !(v.has(4) && v.has(5)) {
        return Some(Remark::wrong(
            6,
            Fault::OutOfRange,
            "INTERVAL is 1..600 and COUNT 1..50, and both stand before UPWAIT",
            "INTERVALは1~600、COUNTは1~50で、UPWAITの前に両方書きます",
        ));
    }
    match (v.word(1), v.word(2)) {
        ("off", _) | ("on", "dpd") => None,
        ("auto", _) => Some(Remark::new(
            Severity::Foreign,
            1,
            "auto does nothing, since heartbeats are Yamaha's own; write off, or on with dpd",
            "autoは何もしません(heartbeatはヤマハ独自の方式です)。offか、onとdpdを書いてください",
        )),
        (_, "icmp-echo") if !v.has(3) => Some(Remark::wrong(
            2,
            Fault::ParameterCount,
            "icmp-echo needs an address",
            "icmp-echoにはアドレスが必要です",
        )),
        _ => Some(Remark::new(
            Severity::Foreign,
            1,
            "of the IKE keepalives only dpd is spoken; write off, or on with dpd",
            "IKEキープアライブはdpdだけです。offか、onとdpdを書いてください",
        )),
    }
}
