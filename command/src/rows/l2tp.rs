//! L2TP and tunnel interfaces.

use crate::config::{Encapsulation, MODEL};
use crate::problem::Severity;
use crate::rows::is_served;
use crate::table::{Act, Home, Place, Remark, Row};
use crate::text::Text;
use crate::value::{Hidden, Kind, REST, SWITCH, TUNNELS, may, must, several};

const SECONDS: u32 = 21_474_836;
const SELECTION: Kind = Kind::OpenNumbers(TUNNELS, &["all"]);

pub(crate) const ROWS: &[Row] = &[
    Row::global("l2tp service", &[SWITCH, several("VERSION", Kind::Choice(&["l2tp", "l2tpv3"]), 0, 2)], Place::L2tp, |config, v| {
        config.l2tp_service = v.on(0) && (v.list(1).is_empty() || v.words(1).any(|version| version == "l2tp"));
    })
    .default("off")
    .help("serve L2TP: on opens UDP 1701, off closes it and cuts every connection", "L2TP機能を使うかどうか(onでUDP 1701番を開く)")
    .check(|v| {
        let only_v3 = v.on(0) && !v.list(1).is_empty() && !v.words(1).any(|version| version == "l2tp");
        only_v3.then(|| Remark::new(Severity::Foreign, 1, "L2TPv3 is not spoken, so nothing is served; write l2tp service on", "L2TPv3は使えないため何も受け付けません。l2tp service onと書いてください"))
    }),
    Row::act("tunnel select", &[must("N", Kind::NumberOr(1, TUNNELS, &["none"]))], Place::Nowhere, Act::TunnelSelect)
        .help("select the tunnel that the following lines are about", "設定・表示の対象にするトンネルを選ぶ"),
    Row::tunnel("description tunnel", &[must("TEXT", Kind::Text(0, 64))], Place::TunnelTemplate, |tunnel, v| {
        tunnel.description = Some(v.text(0).to_owned());
    })
    .help("a description of the tunnel, for people", "トンネルの説明"),
    Row::tunnel("tunnel template", &[several("N", Kind::Numbers(TUNNELS), 1, 256)], Place::TunnelTemplate, |_, _| {})
        .syntax("N|A-B [N|A-B …]")
        .help("give the selected tunnel's settings to other tunnels as well", "選んだトンネルの設定を他のトンネルに展開する"),
    Row::tunnel(
        "tunnel encapsulation",
        &[must(
            "TYPE",
            Kind::Choice(&["ipsec", "ipip", "pptp", "l2tp", "l2tpv3-raw", "l2tpv3", "ipudp", "map-e", "hb46pp"]),
        )],
        Place::TunnelEncapsulation,
        |tunnel, v| {
            tunnel.encapsulation = match v.word(0) {
                "ipsec" => Encapsulation::Ipsec,
                "l2tp" => Encapsulation::L2tp,
                other => Encapsulation::Other(other),
            };
        },
    )
    .templated()
    .default("ipsec")
    .help("what runs in the tunnel; l2tp for remote access", "トンネルの種類")
    .check(|v| {
        let message = Text::new(
            format!("a tunnel of encapsulation {} is not served, only l2tp is", v.word(0)),
            format!("{}のトンネルは使えません。使えるのはl2tpだけです", v.word(0)),
        );
        (!is_served(v.word(0))).then_some(Remark { severity: Severity::Foreign, slot: 0, word: 0, message })
    }),
    Row::tunnel("tunnel endpoint address", &[several("ADDRESS", Kind::Ip, 1, 2)], Place::TunnelEncapsulation, |tunnel, v| {
        let ends: Vec<_> = v.list(0).iter().map(|end| if let crate::value::Value::Ip(end) = end { Some(*end) } else { None }).collect();
        tunnel.endpoint_remote = ends.last().copied().flatten();
        tunnel.endpoint_local = if ends.len() == 2 { ends.first().copied().flatten() } else { None };
    })
    .syntax("[LOCAL] REMOTE")
    .help("the tunnel's ends; needed where the peer's address is fixed", "トンネル両端のIPアドレス"),
    Row::foreign(
        Home::Tunnel,
        "tunnel endpoint name",
        &[several("NAME", Kind::Free, 1, 3)],
        Place::TunnelEncapsulation,
    )
    .syntax("[LOCAL] REMOTE [fqdn|tel]")
    .help("the tunnel's ends by name; not for l2tp", "トンネル両端の名前"),
    Row::tunnel(
        "l2tp tunnel auth",
        &[SWITCH, may("PASSWORD", Kind::Text(1, 32))],
        Place::TunnelL2tp,
        |tunnel, v| {
            let password = if v.has(1) { v.text(1) } else { MODEL };
            tunnel.l2tp.auth = v.on(0).then(|| Hidden::new(password.to_owned()));
        },
    )
    .templated()
    .default("off")
    .help("L2TP tunnel authentication and its shared secret", "L2TPトンネル認証の有無とパスワード(省略時は機種名)")
    .check(|v| {
        let known = v.on(0) && !v.has(1);
        known.then(|| Remark::new(Severity::Warning, 0, "without a password the secret is the product's name, which everybody knows; write l2tp tunnel auth on PASSWORD", "パスワードを省くと誰もが知る製品名が使われます。l2tp tunnel auth on PASSWORDと書いてください"))
    }),
    Row::tunnel("l2tp tunnel disconnect time", &[must("SECONDS", Kind::NumberOr(1, SECONDS, &["off"]))], Place::TunnelL2tp, |tunnel, v| {
        tunnel.l2tp.disconnect_time_s = v.number(0);
    })
    .templated()
    .default("60")
    .help("seconds without data after which the tunnel is cut; off keeps it", "データが流れないトンネルを切るまでの秒数"),
    Row::tunnel(
        "l2tp keepalive use",
        &[SWITCH, may("INTERVAL", Kind::Number(1, 600)), may("COUNT", Kind::Number(1, 50))],
        Place::TunnelL2tp,
        |tunnel, v| {
            tunnel.l2tp.keepalive = v.on(0).then(|| (v.number(1).unwrap_or(10), v.number(2).unwrap_or(6)));
        },
    )
    .templated()
    .default("on 10 6")
    .help("find out by HELLO whether the peer is alive: every INTERVAL seconds, COUNT without an answer end it", "L2TPのHELLOで相手の生存を確かめる(間隔 回数)"),
    Row::tunnel("l2tp keepalive log", &[SWITCH], Place::TunnelL2tp, |tunnel, v| tunnel.l2tp.keepalive_log = v.on(0))
        .templated()
        .default("off")
        .help("log keepalives, at debug level", "キープアライブのやりとりをログに残す"),
    Row::tunnel("l2tp syslog", &[SWITCH], Place::TunnelL2tp, |tunnel, v| tunnel.l2tp.syslog = v.on(0))
        .templated()
        .default("off")
        .help("log control messages with their AVPs, at debug level", "L2TP制御メッセージをログに残す"),
    Row::tunnel("l2tp hostname", &[must("NAME", Kind::Text(1, 32))], Place::TunnelL2tp, |tunnel, v| {
        tunnel.l2tp.hostname = Some(v.text(0).to_owned());
    })
    .templated()
    .default("the product's name")
    .help("the host name told to the peer", "相手に知らせるL2TPホスト名"),
    Row::foreign(Home::Tunnel, "l2tp always-on", &[SWITCH], Place::TunnelL2tp).default("on").help("L2TPv3 only: keep the tunnel up", "L2TPv3専用:常時接続"),
    Row::foreign(Home::Tunnel, "l2tp local router-id", &[must("ADDRESS", Kind::Ipv4)], Place::TunnelL2tp)
        .default("0.0.0.0")
        .help("L2TPv3 only: this side's router id", "L2TPv3専用:自分側のルーターID"),
    Row::foreign(Home::Tunnel, "l2tp remote router-id", &[must("ADDRESS", Kind::Ipv4)], Place::TunnelL2tp)
        .default("0.0.0.0")
        .help("L2TPv3 only: the peer's router id", "L2TPv3専用:相手側のルーターID"),
    Row::foreign(Home::Tunnel, "l2tp remote end-id", &[must("TEXT", Kind::Text(1, 32))], Place::TunnelL2tp)
        .help("L2TPv3 only: the peer's end id", "L2TPv3専用:相手側のエンドID"),
    Row::foreign(Home::Tunnel, "tunnel type", &[must("TYPE", Kind::Free), REST], Place::TunnelEncapsulation)
        .help("the kind of tunnel interface", "トンネルインタフェースの種別"),
    Row::foreign(Home::Tunnel, "tunnel ngn arrive permit", &[SWITCH], Place::TunnelEncapsulation)
        .templated()
        .help("NGN only: take calls", "NGN専用:着信を許可するかどうか"),
    Row::foreign(Home::Tunnel, "tunnel ngn bandwidth", &[several("VALUE", Kind::Free, 1, 4)], Place::TunnelEncapsulation)
        .templated()
        .help("NGN only: bandwidth of a call", "NGN専用:帯域"),
    Row::foreign(Home::Tunnel, "tunnel ngn disconnect time", &[must("SECONDS", Kind::NumberOr(1, SECONDS, &["off"]))], Place::TunnelEncapsulation)
        .templated()
        .help("NGN only: seconds without data until a call ends", "NGN専用:切断までの秒数"),
    Row::foreign(Home::Tunnel, "tunnel ngn radius auth", &[SWITCH], Place::TunnelEncapsulation)
        .templated()
        .help("NGN only: ask RADIUS about calls", "NGN専用:RADIUS認証を使うかどうか"),
    Row::act("tunnel enable", &[several("N", SELECTION, 1, 256)], Place::TunnelEnable, Act::TunnelEnable)
        .syntax("N|A-B|A-|-B|all …")
        .default("every tunnel disabled")
        .help("make tunnels usable", "トンネルを使えるようにする"),
    Row::act("tunnel disable", &[several("N", SELECTION, 1, 256)], Place::TunnelEnable, Act::TunnelDisable)
        .syntax("N|A-B|A-|-B|all …")
        .help("make tunnels unusable and end what runs in them", "トンネルを使えなくする"),
];
