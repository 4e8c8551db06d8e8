//! Packet filters.

use crate::config::filter::{Wrong, dynamic, list, pattern, set};
use crate::config::{Filter, SecureFilter};
use crate::problem::Severity;
use crate::table::{Args, Place, Remark, Row};
use crate::text::Fault;
use crate::value::{Kind, REST, Slot, may, must};

/// Numbers of filters.
pub(crate) const FILTER: Kind = Kind::Number(1, 21_474_836);
const FILTERS: &[Slot] = &[must("DIRECTION", Kind::Choice(&["in", "out", "name"])), REST];
const FILTERS_USAGE: &str = "in|out [F …] [dynamic D …] | name SET";
const ACTION: Kind = Kind::Choice(&[
    "pass",
    "pass-log",
    "pass-nolog",
    "reject",
    "reject-log",
    "reject-nolog",
    "restrict",
    "restrict-log",
    "restrict-nolog",
]);
const SECONDS: Kind = Kind::Number(1, 21_474_836);

pub(crate) const ROWS: &[Row] = &[
    Row::global("ip filter", &[must("NUM", FILTER), must("ACTION", ACTION), REST], Place::Filter, |config, v| {
        let number = v.number(0).unwrap_or_default();
        let action = v.word(1);
        let passes = !action.starts_with("reject");
        let logs = action.ends_with("-log") || action == "reject";
        if let Ok(pattern) = pattern(&v.free(2)) {
            config.filters.insert(number, Filter { number, passes, logs, pattern });
        }
    })
    .many(1)
    .syntax("NUM ACTION SRC[/M] [DST[/M] [PROTO [SPORT [DPORT]]]]")
    .help("a packet filter; used by ip pp secure filter and ip tunnel secure filter", "IPパケットフィルタの定義")
    .check(|v| match pattern(&v.free(2)) {
        Err(wrong) => remark(2, wrong),
        Ok(pattern) if pattern.has_name() => Some(Remark::new(
            Severity::Warning,
            2,
            "a host name is not looked up, so it fits no packet; write its address",
            "ホスト名は解決されないため、どのパケットにも一致しません。アドレスを書いてください",
        )),
        Ok(_) => None,
    }),
    Row::global("ip filter dynamic", &[must("NUM", FILTER), REST], Place::FilterDynamic, |config, v| {
        let number = v.number(0).unwrap_or_default();
        if let Ok(filter) = dynamic(number, &v.free(1)) {
            config.dynamic_filters.insert(number, filter);
        }
    })
    .many(1)
    .syntax("NUM SRC DST APP [syslog=on|off] [timeout=S] | NUM SRC DST filter F [F …] [in F …] [out F …] [syslog=on|off] [timeout=S]")
    .help("a filter that follows connections: what it lets begin passes both ways", "動的フィルタの定義")
    .check(|v| dynamic(0, &v.free(1)).err().and_then(|wrong| remark(1, wrong))),
    Row::global(
        "ip filter dynamic timer",
        &[
            may("S", Kind::Named("tcp-syn-timeout", &SECONDS)),
            may("S", Kind::Named("tcp-fin-timeout", &SECONDS)),
            may("S", Kind::Named("tcp-idle-time", &SECONDS)),
            may("S", Kind::Named("udp-idle-time", &SECONDS)),
            may("S", Kind::Named("dns-timeout", &SECONDS)),
        ],
        Place::FilterDynamic,
        |config, v| {
            let timers = &mut config.filter_timers;
            let set = |place: &mut u32, at: usize| *place = v.number(at).unwrap_or(*place);
            set(&mut timers.tcp_syn_s, 0);
            set(&mut timers.tcp_fin_s, 1);
            set(&mut timers.tcp_idle_s, 2);
            set(&mut timers.udp_idle_s, 3);
            set(&mut timers.dns_s, 4);
        },
    )
    .default("tcp-syn-timeout=30 tcp-fin-timeout=5 tcp-idle-time=3600 udp-idle-time=30 dns-timeout=5")
    .help("how long connections of dynamic filters are remembered", "動的フィルタのタイムアウト"),
    Row::global("ip filter set", &[must("NAME", Kind::Text(1, 64)), REST], Place::FilterSet, |config, v| {
        if let Ok(found) = set(&v.free(1)) {
            config.filter_sets.insert(v.text(0).to_owned(), found);
        }
    })
    .many(1)
    .syntax("NAME in|out F … [dynamic D …] [in|out F …]")
    .help("a named set of filters, for secure filter name", "フィルタセットの定義")
    .check(|v| set(&v.free(1)).err().and_then(|wrong| remark(1, wrong))),
    Row::pp("ip pp secure filter", FILTERS, Place::IpPp, |pp, v| secure(&mut pp.secure, v))
        .many(1)
        .syntax(FILTERS_USAGE)
        .default("everything passes")
        .help("filters for packets of callers, by number and in order; a packet that none fits is discarded", "PPのフィルタ(どれにも一致しないパケットは破棄)")
        .check(check),
    Row::tunnel("ip tunnel secure filter", FILTERS, Place::IpTunnel, |tunnel, v| secure(tunnel.secure.get_or_insert_default(), v))
        .many(1)
        .syntax(FILTERS_USAGE)
        .default("everything passes")
        .help("filters for packets of the tunnel's client; a packet that none fits is discarded", "トンネルのフィルタ(どれにも一致しないパケットは破棄)")
        .check(check),
];

fn remark(slot: usize, (word, message): Wrong) -> Option<Remark> {
    Some(Remark { severity: Severity::Error, slot, word, message })
}

fn secure(secure: &mut SecureFilter, v: Args<'_>) {
    let words = v.free(1);
    match v.word(0) {
        "in" => secure.incoming = list(&words).ok(),
        "out" => secure.outgoing = list(&words).ok(),
        _ => secure.set = words.into_iter().next(),
    }
}

fn check(v: Args<'_>) -> Option<Remark> {
    let words = v.free(1);
    if v.word(0) != "name" {
        return list(&words).err().and_then(|wrong| remark(1, wrong));
    }
    let one = words.len() == 1;
    (!one).then(|| {
        Remark::wrong(
            0,
            Fault::ParameterCount,
            "name takes the name of one set",
            "nameの後にフィルタセットの名前を1つ書いてください",
        )
    })
}
