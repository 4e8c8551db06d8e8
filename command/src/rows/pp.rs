//! PP interfaces: who may call, and how PPP speaks with them.

use std::net::Ipv6Addr;

use crate::config::{AuthRequest, Keepalive, User};
use crate::problem::Severity;
use crate::rows::ip::ipv6_network;
use crate::table::{Act, Args, Home, Place, Remark, Row};
use crate::text::{Fault, Text};
use crate::value::{Hidden, Kind, PPS, REST, SWITCH, Value, may, must, several};

const SELECTION: Kind = Kind::OpenNumbers(PPS, &["all", "anonymous"]);
const MILLISECONDS: &[crate::value::Slot] = &[must("MS", Kind::Number(20, 10_000))];
/// Addresses that one interface asks by ICMP.
const MOST_ASKED: usize = 16;
const TIMES: &[crate::value::Slot] = &[must("COUNT", Kind::Number(1, 10))];

/// Words about a user that have no effect here.
fn idle_words(v: Args<'_>) -> Option<Remark> {
    let english = [
        "nobody calls by ISDN here; leave numbers, clid and mscbcp out",
        "myname has no effect, since this server does not call; leave it out",
    ];
    let japanese = [
        "ISDNの着信はありません。電話番号・clid・mscbcpは省いてください",
        "本サーバーは発信しないため、mynameに効果はありません。省いてください",
    ];
    let said = |at: usize, which: usize| Remark::new(Severity::Foreign, at, english[which], japanese[which]);
    if v.has(3) { Some(said(3, 0)) } else { v.has(2).then(|| said(2, 1)) }
}

/// What is wrong with a user, or has no effect.
fn user_words(v: Args<'_>) -> Option<Remark> {
    match v.0.get(5) {
        None | Some(Value::Nothing) => {}
        Some(Value::Text(text)) if user_prefix(text).is_some() => {}
        Some(Value::Text(text)) if text.contains(':') => {
            return Some(Remark::wrong(
                5,
                Fault::BadAddress,
                "the IPv6 prefix of a user has 64 bits; write it as in 2001:db8:1:2::/64",
                "ユーザーのIPv6プレフィックスは/64です。2001:db8:1:2::/64のように書いてください",
            ));
        }
        Some(_) => {
            return Some(Remark::wrong(
                5,
                Fault::BadAddress,
                "after the password only an IPv4 address may follow, such as 192.168.100.10; put a password with blanks in quotes",
                "パスワードの後に書けるのは192.168.100.10のようなIPv4アドレスです。空白を含むパスワードは引用符で囲んでください",
            ));
        }
    }
    if v.text(1).is_empty() {
        return Some(Remark::new(
            Severity::Warning,
            1,
            "the password is empty, and nobody comes in without one; write it behind the name",
            "パスワードが空のユーザーは接続できません。名前の後に書いてください",
        ));
    }
    idle_words(v)
}

/// The /64 that a word names, whatever address within it is written.
fn user_prefix(word: &str) -> Option<Ipv6Addr> {
    let address = word.strip_suffix("/64")?.parse().ok()?;
    Some(ipv6_network(address, 64))
}

/// What the words of `pp keepalive use` mean, and which of them is an option without effect; or the one that is wrong.
fn methods(v: Args<'_>) -> Result<(Option<Keepalive>, Option<usize>), (usize, Text)> {
    let words: Vec<String> = std::iter::once(v.word(0).to_owned()).chain(v.free(1)).collect();
    let wrong = |at: usize, word: &str| {
        let why = Fault::IllegalKeyword.because(
            format_args!("\"{word}\" cannot stand here; what can is lcp-echo, icmp-echo, and behind it addresses with length=64..1500"),
            format_args!("\"{word}\"は書けません。書けるのはlcp-echo・icmp-echo、その後のアドレスとlength=64~1500です"),
        );
        Err((at, why))
    };
    let mut found = Keepalive { lcp: false, ..Keepalive::default() };
    let (mut by_icmp, mut idle) = (false, None);
    for (at, word) in words.iter().enumerate() {
        match (word.as_str(), word.split_once('=')) {
            ("off", _) if words.len() == 1 => return Ok((None, None)),
            ("lcp-echo", _) => (found.lcp, by_icmp) = (true, false),
            ("icmp-echo", _) => by_icmp = true,
            (_, Some((name, value))) if by_icmp && !found.icmp.is_empty() => {
                let value = value.parse::<u16>().ok();
                match (name, value) {
                    ("length", Some(length)) if (64..=1500).contains(&length) => {
                        found.icmp.last_mut().into_iter().for_each(|last| last.1 = length);
                    }
                    ("upwait" | "downwait", Some(1..=10_000)) | ("disconnect", Some(1..)) => idle = Some(at),
                    _ => return wrong(at, word),
                }
            }
            (address, None) if by_icmp => match address.parse() {
                Ok(address) if found.icmp.len() < MOST_ASKED => found.icmp.push((address, 64)),
                _ => return wrong(at, word),
            },
            _ => return wrong(at, word),
        }
    }
    if by_icmp && found.icmp.is_empty() {
        let why = Fault::ParameterCount.because("icmp-echo needs an address", "icmp-echoにはアドレスが必要です");
        return Err((words.len(), why));
    }
    Ok((Some(found), idle))
}

pub(crate) const ROWS: &[Row] = &[
    Row::act("pp select", &[must("N", Kind::NumberOr(1, PPS, &["anonymous", "none"]))], Place::Nowhere, Act::PpSelect)
        .help("select the interface that the following lines are about", "設定・表示の対象にする相手(PP)を選ぶ"),
    Row::pp("description pp", &[must("TEXT", Kind::Text(0, 64))], Place::PpBind, |pp, v| {
        pp.description = Some(v.text(0).to_owned())
    })
    .help("a description of the interface, for people", "相手(PP)の説明"),
    Row::foreign(Home::Pp, "pp name", &[must("NAME", Kind::Text(0, 64))], Place::PpBind)
        .help("a name of the interface", "相手の名前"),
    Row::foreign(Home::Pp, "pp always-on", &[SWITCH, may("SECONDS", Kind::Number(20, 21_474_836))], Place::PpBind)
        .default("off")
        .help("keep dialling; no effect on anonymous", "常時接続するかどうか"),
    Row::pp("pp bind", &[several("TUNNEL", Kind::Tunnels, 1, 256)], Place::PpBind, |pp, v| {
        pp.bind = v
            .list(0)
            .iter()
            .filter_map(|range| if let Value::Numbers(first, last) = range { Some(*first..=*last) } else { None })
            .flatten()
            .collect();
    })
    .syntax("tunnelN|tunnelA-tunnelB …")
    .help("the tunnels whose calls end on this interface", "このPPで受けるトンネル")
    .check(|v| {
        let line = v.list(0).iter().position(|bound| matches!(bound, Value::Text(_)))?;
        let english = "lines are not dialled on here; only tunnels are bound";
        let remark =
            Remark::new(Severity::Foreign, 0, english, "回線からの発着信はありません。使えるのはトンネルだけです");
        Some(Remark { word: line, ..remark })
    }),
    Row::foreign(Home::Pp, "pppoe use", &[must("LAN", Kind::Free)], Place::PpBind)
        .help("PPPoE on a LAN interface", "PPPoEで使うLANインタフェース"),
    Row::foreign(Home::Pp, "pppoe auto connect", &[SWITCH], Place::PpBind)
        .help("PPPoE: connect by itself", "PPPoEの自動接続"),
    Row::foreign(Home::Pp, "pppoe auto disconnect", &[SWITCH], Place::PpBind)
        .help("PPPoE: disconnect by itself", "PPPoEの自動切断"),
    Row::foreign(
        Home::Pp,
        "pppoe disconnect time",
        &[must("SECONDS", Kind::NumberOr(1, 21_474_836, &["off"]))],
        Place::PpBind,
    )
    .help("PPPoE: seconds without data until it is cut", "PPPoEの切断タイマー"),
    Row::pp(
        "pp keepalive use",
        &[must("METHOD", Kind::Choice(&["lcp-echo", "icmp-echo", "off"])), REST],
        Place::PpBind,
        |pp, v| pp.keepalive = methods(v).ok().and_then(|(keepalive, _)| keepalive),
    )
    .syntax("[lcp-echo] [icmp-echo ADDRESS [length=64..1500] [ADDRESS …]] | off")
    .default("off")
    .help("find out by echoes of LCP or ICMP whether the caller is alive", "PPのキープアライブの方法")
    .check(|v| match methods(v) {
        Err((0, message)) => Some(Remark { severity: Severity::Error, slot: 0, word: 0, message }),
        Err((at, message)) => Some(Remark { severity: Severity::Error, slot: 1, word: at - 1, message }),
        Ok((_, Some(at))) => Some(Remark {
            word: at - 1,
            ..Remark::new(
                Severity::Foreign,
                1,
                "this option has no effect, pp keepalive interval says when a caller is gone; leave it out",
                "このオプションに効果はありません。pp keepalive intervalが切断の時期を決めます。省いてください",
            )
        }),
        Ok((Some(keepalive), None)) if !keepalive.icmp.is_empty() => Some(Remark::new(
            Severity::Warning,
            1,
            "only the caller that has this address itself can be asked by ICMP; lcp-echo watches over every caller",
            "ICMPで確認できるのは、そのアドレスを持つ接続者だけです。lcp-echoならすべての接続者を確認できます",
        )),
        Ok(_) => None,
    }),
    Row::pp(
        "pp keepalive interval",
        &[
            must("INTERVAL", Kind::Number(1, 65_535)),
            may("RETRY", Kind::Named("retry-interval", &Kind::Number(1, 65_535))),
            may("COUNT", Kind::Named("count", &Kind::Number(3, 100))),
            may("TIME", Kind::Named("time", &Kind::Number(1, 65_535))),
        ],
        Place::PpBind,
        |pp, v| {
            if let Some(keepalive) = &mut pp.keepalive {
                let default = Keepalive::default();
                keepalive.interval_s = v.number(0).unwrap_or(default.interval_s);
                keepalive.retry_interval_s = v.number(1).unwrap_or(default.retry_interval_s);
                keepalive.count = v.number(2).unwrap_or(default.count);
            }
        },
    )
    .default("30 retry-interval=1 count=6")
    .help(
        "seconds between echoes, after a missed one, and how many missed ones end the call",
        "PPのキープアライブの間隔と回数",
    )
    .check(|v| {
        v.has(3).then(|| {
            Remark::new(
                Severity::Foreign,
                3,
                "time= has no effect; leave it out",
                "time=に効果はありません。省いてください",
            )
        })
    }),
    Row::pp("pp keepalive log", &[SWITCH], Place::PpBind, |pp, v| pp.keepalive_log = v.on(0)).default("off").help(
        "log PP keepalives of every interface, at debug level",
        "PPのキープアライブをログに残す(すべてのPPに共通)",
    ),
    Row::pp(
        "pp auth request",
        &[
            must("AUTH", Kind::Choice(&["pap", "chap", "mschap", "mschap-v2", "chap-pap"])),
            may("WHEN", Kind::Choice(&["arrive-only"])),
        ],
        Place::PpAuth,
        |pp, v| {
            pp.auth_request = Some(match v.word(0) {
                "pap" => AuthRequest::Pap,
                "chap" => AuthRequest::Chap,
                "mschap" => AuthRequest::MsChap,
                "chap-pap" => AuthRequest::ChapPap,
                _ => AuthRequest::MsChapV2,
            });
        },
    )
    .default("nothing is asked")
    .help("how a caller must prove who it is; mschap-v2 for today's clients", "着信時に要求する認証の種類"),
    Row::foreign(
        Home::Pp,
        "pp auth accept",
        &[several("AUTH", Kind::Choice(&["pap", "chap", "mschap", "mschap-v2"]), 1, 4)],
        Place::PpAuth,
    )
    .help("how we prove who we are when we call; a server does not need it", "自分が受け入れる認証の種類(発信用)"),
    Row::foreign(
        Home::Pp,
        "pp auth myname",
        &[must("NAME", Kind::Text(1, 64)), must("PASSWORD", Kind::Text(0, 64))],
        Place::PpAuth,
    )
    .help("our own name and password when we call", "自分の名前とパスワード(発信用)"),
    Row::pp(
        "pp auth username",
        &[
            must("USER", Kind::Text(1, 64)),
            must("PASSWORD", Kind::Text(0, 64)),
            may("MYNAME MYPASS", Kind::Group("myname", 2)),
            several("ISDN", Kind::Isdn, 0, 16),
            may("IP", Kind::Ipv4),
            may("IP6_PREFIX", Kind::Free),
        ],
        Place::PpAuth,
        |pp, v| {
            pp.users.push(User {
                name: v.text(0).to_owned(),
                password: Hidden::new(v.text(1).to_owned()),
                address: v.ipv4(4),
                prefix: user_prefix(v.text(5)),
            });
        },
    )
    .many(1)
    .help(
        "a user who may call, and the address for it; * stands for every other name",
        "接続を許すユーザーの名前とパスワード",
    )
    .syntax("USER PASSWORD [myname MYNAME MYPASS] [ISDN …] [clid [ISDN …]] [mscbcp] [IP] [IP6_PREFIX]")
    .check(user_words),
    Row::pp("pp auth multi connect prohibit", &[SWITCH], Place::PpAuth, |pp, v| pp.multi_connect_prohibit = v.on(0))
        .default("off")
        .help("refuse a second connection of one user", "同一ユーザーの多重接続を禁止するかどうか"),
    Row::pp("ppp lcp mru", &[SWITCH, may("LEN", Kind::Number(1280, 1792))], Place::Ppp, |pp, v| {
        pp.lcp.mru = v.on(0).then(|| v.octets(1).unwrap_or(1792));
    })
    .default("on 1792")
    .help("ask for a Maximum-Receive-Unit", "LCPのMRUオプション"),
    Row::pp("ppp lcp magicnumber", &[SWITCH], Place::Ppp, |pp, v| pp.lcp.magic = v.on(0))
        .default("on")
        .help("use a magic number", "LCPのマジックナンバー"),
    Row::pp("ppp lcp acfc", &[SWITCH], Place::Ppp, |pp, v| pp.lcp.acfc = v.on(0))
        .default("off")
        .help("ask for address and control field compression", "アドレス・制御フィールド圧縮"),
    Row::pp("ppp lcp pfc", &[SWITCH], Place::Ppp, |pp, v| pp.lcp.pfc = v.on(0))
        .default("off")
        .help("ask for protocol field compression", "プロトコルフィールド圧縮"),
    Row::pp("ppp lcp accm", &[SWITCH], Place::Ppp, |pp, v| pp.lcp.accm = v.on(0))
        .default("off")
        .help("ask for an async control character map", "LCPのACCMオプション"),
    Row::pp("ppp lcp restart", MILLISECONDS, Place::Ppp, |pp, v| pp.lcp.restart_ms = v.number(0).unwrap_or(3000))
        .default("3000")
        .help("LCP restart timer in milliseconds", "LCPの再送タイマー(ミリ秒)"),
    Row::pp("ppp lcp maxterminate", TIMES, Place::Ppp, |pp, v| pp.lcp.max_terminate = v.number(0).unwrap_or(2))
        .default("2")
        .help("how often an LCP Terminate-Request is sent", "LCPの切断要求の送信回数"),
    Row::pp("ppp lcp maxconfigure", TIMES, Place::Ppp, |pp, v| pp.lcp.max_configure = v.number(0).unwrap_or(10))
        .default("10")
        .help("how often an LCP Configure-Request is sent", "LCPの設定要求の送信回数"),
    Row::pp("ppp lcp maxfailure", TIMES, Place::Ppp, |pp, v| pp.lcp.max_failure = v.number(0).unwrap_or(10))
        .default("10")
        .help("how many LCP Configure-Naks are sent before rejecting", "LCPのNakの送信回数"),
    Row::pp("ppp lcp silent", &[SWITCH], Place::Ppp, |pp, v| pp.lcp.silent = v.on(0))
        .default("off")
        .help("wait for the caller's Configure-Request", "相手の設定要求を待つかどうか"),
    Row::pp("ppp pap restart", MILLISECONDS, Place::Ppp, |pp, v| pp.pap.restart_ms = v.number(0).unwrap_or(3000))
        .default("3000")
        .help("PAP timer in milliseconds", "PAPの再送タイマー(ミリ秒)"),
    Row::pp("ppp pap maxauthreq", TIMES, Place::Ppp, |pp, v| pp.pap.tries = v.number(0).unwrap_or(10))
        .default("10")
        .help("how often PAP tries", "PAPの認証要求の回数"),
    Row::pp("ppp chap restart", MILLISECONDS, Place::Ppp, |pp, v| pp.chap.restart_ms = v.number(0).unwrap_or(3000))
        .default("3000")
        .help("CHAP timer in milliseconds", "CHAPの再送タイマー(ミリ秒)"),
    Row::pp("ppp chap maxchallenge", TIMES, Place::Ppp, |pp, v| pp.chap.tries = v.number(0).unwrap_or(10))
        .default("10")
        .help("how often a challenge is sent", "CHAPのチャレンジの送信回数"),
    Row::pp("ppp ipcp ipaddress", &[SWITCH], Place::Ppp, |pp, v| pp.ipcp_ipaddress = v.on(0))
        .default("off")
        .help("negotiate addresses; on for L2TP", "IPCPでIPアドレスを交渉するかどうか(L2TPではon)"),
    Row::pp("ppp ipcp msext", &[SWITCH], Place::Ppp, |pp, v| pp.ipcp_msext = v.on(0))
        .default("off")
        .help("tell callers name servers; on for L2TP", "IPCPでDNS/WINSを知らせるかどうか(L2TPではon)"),
    Row::pp("ppp ipcp vjc", &[SWITCH], Place::Ppp, |pp, v| pp.ipcp.vjc = v.on(0))
        .default("off")
        .help("ask for Van Jacobson header compression", "VJヘッダ圧縮")
        .check(|v| {
            v.on(0).then(|| {
                Remark::new(
                    Severity::Foreign,
                    0,
                    "headers are not compressed, and callers that ask for it get a Configure-Reject; write off",
                    "ヘッダ圧縮は行わず、要求する接続者にはConfigure-Rejectを返します。offと書いてください",
                )
            })
        }),
    Row::pp("ppp ipcp restart", MILLISECONDS, Place::Ppp, |pp, v| {
        pp.ipcp.restart_ms = v.number(0).unwrap_or(3000);
    })
    .default("3000")
    .help("IPCP restart timer in milliseconds", "IPCPの再送タイマー(ミリ秒)"),
    Row::pp("ppp ipcp maxterminate", TIMES, Place::Ppp, |pp, v| pp.ipcp.max_terminate = v.number(0).unwrap_or(2))
        .default("2")
        .help("how often an IPCP Terminate-Request is sent", "IPCPの切断要求の送信回数"),
    Row::pp("ppp ipcp maxconfigure", TIMES, Place::Ppp, |pp, v| pp.ipcp.max_configure = v.number(0).unwrap_or(10))
        .default("10")
        .help("how often an IPCP Configure-Request is sent", "IPCPの設定要求の送信回数"),
    Row::pp("ppp ipcp maxfailure", TIMES, Place::Ppp, |pp, v| pp.ipcp.max_failure = v.number(0).unwrap_or(10))
        .default("10")
        .help("how many IPCP Configure-Naks are sent before rejecting", "IPCPのNakの送信回数"),
    Row::pp("ppp ipcp remote address check", &[SWITCH], Place::Ppp, |_, _| {})
        .default("on")
        .help(
            "refuse an address that another caller has; it is always done",
            "相手のIPアドレスの重複を調べるかどうか(常に調べる)",
        )
        .check(|v| {
            (!v.on(0)).then(|| {
                Remark::new(
                    Severity::Foreign,
                    0,
                    "an address is never lent twice; write on",
                    "同じアドレスを2回割り当てることはありません。onと書いてください",
                )
            })
        }),
    Row::pp("ppp ipv6cp use", &[SWITCH], Place::PppIpv6, |pp, v| pp.ipv6cp = v.on(0))
        .default("on")
        .help("negotiate IPv6", "IPV6CPを使うかどうか"),
    Row::foreign(Home::Pp, "ppp mscbcp restart", MILLISECONDS, Place::Ppp)
        .default("1000")
        .help("call back timer in milliseconds", "MSCBCPの再送タイマー(ミリ秒)"),
    Row::foreign(Home::Pp, "ppp mscbcp maxretry", &[must("COUNT", Kind::Number(1, 30))], Place::Ppp)
        .default("30")
        .help("how often call back is asked for", "MSCBCPの再送回数"),
    Row::foreign(Home::Pp, "ppp mp use", &[SWITCH], Place::Ppp)
        .default("off")
        .help("multilink PPP; not for L2TP", "マルチリンクPPPを使うかどうか"),
    Row::foreign(Home::Pp, "ppp bacp", &[REST], Place::Ppp)
        .many(1)
        .help("bandwidth allocation control; not for L2TP", "BACPの設定"),
    Row::foreign(Home::Pp, "ppp bap", &[REST], Place::Ppp)
        .many(1)
        .help("bandwidth allocation; not for L2TP", "BAPの設定"),
    Row::act("pp enable", &[several("N", SELECTION, 1, 256)], Place::PpEnable, Act::PpEnable)
        .syntax("N|A-B|anonymous|all …")
        .default("every interface disabled")
        .help("let callers in", "相手(PP)を使えるようにする"),
    Row::act("pp disable", &[several("N", SELECTION, 1, 256)], Place::PpEnable, Act::PpDisable)
        .syntax("N|A-B|anonymous|all …")
        .help("let no callers in", "相手(PP)を使えなくする"),
];
