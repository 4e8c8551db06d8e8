//! Screens in the router's words, in both of the operator's languages (yamaha.md §5).

use super::{
    AccountShown, CallShown, GatewayShown, L2tpShown, PpShown, SaShown, Screen, SessionShown, TimeShown, Traffic,
    TunnelShown,
};
use crate::event::Instance;
use command::Language;
use core::fmt::Write;

/// How a screen is to be told.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// In which language.
    pub language: Language,
    /// The date and time of so many seconds ago: the engine has no clock on the wall.
    pub ago: &'a dyn Fn(u64) -> String,
}

impl Look<'_> {
    fn pick<'t>(&self, english: &'t str, japanese: &'t str) -> &'t str {
        match self.language {
            Language::English => english,
            Language::Japanese => japanese,
        }
    }
}

/// A time in words: `1 minute 49 seconds`, `1分49秒`.
#[must_use]
pub fn lasting(seconds: u64, language: Language) -> String {
    let parts = [
        (seconds / 86_400, "day", "日"),
        (seconds / 3600 % 24, "hour", "時間"),
        (seconds / 60 % 60, "minute", "分"),
        (seconds % 60, "second", "秒"),
    ];
    let first = parts.iter().position(|(n, ..)| *n > 0).unwrap_or(3);
    let parts = parts.iter().skip(first);
    match language {
        Language::English => parts.map(|(n, word, _)| plural(*n, word)).collect::<Vec<_>>().join(" "),
        Language::Japanese => parts.map(|(n, _, word)| format!("{n}{word}")).collect(),
    }
}

fn plural(n: u64, word: &str) -> String {
    if n == 1 || (n == 0 && word != "second") { format!("{n} {word}") } else { format!("{n} {word}s") }
}

/// `1 minute 49 seconds  connection.` or `通信時間: 1分49秒`.
pub(super) fn connection(seconds: u64, language: Language) -> String {
    let lasting = lasting(seconds, language);
    match language {
        Language::English => format!("{lasting}  connection."),
        Language::Japanese => format!("通信時間: {lasting}"),
    }
}

pub(super) fn counters(packets: u64, octets: u64, language: Language) -> String {
    match language {
        Language::English => format!("{} [{}]", plural(packets, "packet"), plural(octets, "octet")),
        Language::Japanese => format!("{packets} パケット [{octets} オクテット]"),
    }
}

impl Screen {
    /// The screen in words.
    #[must_use]
    pub fn text(&self, look: Look<'_>) -> String {
        let mut out = String::new();
        match self {
            Self::L2tp(tunnels) => l2tp(tunnels, look, &mut out),
            Self::Pp(interfaces) => interfaces.iter().for_each(|shown| pp(shown, look, &mut out)),
            Self::Tunnels(tunnels) => tunnels.iter().for_each(|shown| tunnel(shown, look, &mut out)),
            Self::Sas(sas) => table_of_sas(sas, &mut out),
            Self::Gateways(gateways) => table_of_gateways(gateways, &mut out),
            Self::SaDetails(sas) => sas.iter().for_each(|sa| detail(sa, look, &mut out)),
            Self::Account(interfaces) => interfaces.iter().for_each(|shown| account(shown, look, &mut out)),
            Self::ConnectTime(calls) => times(calls, look, &mut out),
            Self::Apart(screen) => out.push_str(screen),
        }
        out
    }
}

/// Packets and octets in two lines behind a margin.
fn traffic(traffic: &Traffic, margin: &str, look: Look<'_>, out: &mut String) {
    let received = counters(traffic.received_packets, traffic.received_octets, look.language);
    let sent = counters(traffic.sent_packets, traffic.sent_octets, look.language);
    let _ = writeln!(out, "{margin}{}: {received}", look.pick("Received", "受信"));
    let _ = writeln!(out, "{margin}{}: {sent}", look.pick("Transmitted", "送信"));
}

/// `show status l2tp` (yamaha.md §5.1).
fn l2tp(tunnels: &[L2tpShown], look: Look<'_>, out: &mut String) {
    let sessions: usize = tunnels.iter().map(|t| t.sessions.len()).sum();
    let _ = writeln!(out, "------------------- L2TP INFORMATION -------------------");
    let _ = match look.language {
        Language::English => writeln!(
            out,
            "  Number of control table using\n    Tunnel Control: {}, Session Control: {sessions}",
            tunnels.len()
        ),
        Language::Japanese => {
            writeln!(out, "L2TP情報テーブル\n  L2TPトンネル数: {}, L2TPセッション数: {sessions}", tunnels.len())
        }
    };
    for t in tunnels {
        let _ = match look.language {
            Language::English => writeln!(out, "TUNNEL[{}] Information", t.tunnel),
            Language::Japanese => writeln!(out, "TUNNEL[{}]:", t.tunnel),
        };
        let mut line = |english: &str, japanese: &str, value: &dyn core::fmt::Display| {
            let _ = writeln!(out, "  {}: {value}", look.pick(english, japanese));
        };
        line("Tunnel State", "トンネルの状態", &t.state);
        line("Version", "バージョン", &"L2TPv2");
        line("Local Tunnel ID", "自機側トンネルID", &t.local_tunnel_id);
        line("Remote Tunnel ID", "相手側トンネルID", &t.remote_tunnel_id);
        line("Local IP Address", "自機側IPアドレス", &t.local_address);
        line("Remote IP Address", "相手側IPアドレス", &t.remote_address);
        line("Local Src Port", "自機側送信元ポート", &1701);
        line("Remote Src Port", "相手側送信元ポート", &t.remote_port);
        if !t.sessions.is_empty() {
            let bound = t.sessions.iter().map(|session| match (look.language, session.instance) {
                (Language::Japanese, instance) => instance.to_string(),
                (Language::English, Instance::Anonymous(n)) => format!("ANONYMOUS[{n}]"),
                (Language::English, Instance::Numbered(n)) => format!("PP[{n:02}]"),
            });
            line("PP Bind", "PPインタフェース", &bound.collect::<Vec<_>>().join(" "));
        }
        line("Vendor", "ベンダ名", &t.vendor);
        line("Hostname", "ホスト名", &t.hostname);
        let _ = writeln!(out, "  Next Transmit sequence(Ns): {}", t.ns);
        let _ = writeln!(out, "  Next Receive sequence(Nr) : {}", t.nr);
        let count = t.sessions.len();
        let _ = writeln!(out, "  {}: {count} session", look.pick("Number of session", "トンネル内のセッション数"));
        for session in &t.sessions {
            session_of(session, look, out);
        }
    }
}

fn session_of(session: &SessionShown, look: Look<'_>, out: &mut String) {
    let _ = writeln!(out, "  {}", look.pick("Session Information", "セッション情報:"));
    let _ = writeln!(out, "    {}: {}", look.pick("Session State", "セッションの状態"), session.state);
    let _ = writeln!(out, "    {}: {}", look.pick("Local Session ID", "自機側セッションID"), session.local_session_id);
    let _ =
        writeln!(out, "    {}: {}", look.pick("Remote Session ID", "相手側セッションID"), session.remote_session_id);
    let _ = writeln!(out, "    {}", connection(session.connected_s, look.language));
    traffic(&session.traffic, "    ", look, out);
}

/// `show status pp` (yamaha.md §5.2).
fn pp(shown: &PpShown, look: Look<'_>, out: &mut String) {
    let Some(call) = &shown.call else {
        let _ = match look.language {
            Language::English => writeln!(out, "{}: nobody is connected.", shown.interface),
            Language::Japanese => writeln!(out, "{}: 接続されていません", shown.interface),
        };
        return;
    };
    let _ = writeln!(out, "{}:", shown.interface);
    let _ = writeln!(out, "{}: {}", look.pick("Description", "説明"), shown.description);
    let carried_by = call.carried_by;
    let _ = match (look.language, call.up) {
        (Language::English, true) => writeln!(out, "Current {carried_by} session status is Connected."),
        (Language::English, false) => writeln!(out, "Current {carried_by} session status is Connecting."),
        (Language::Japanese, true) => writeln!(out, "{carried_by}セッションは接続されています"),
        (Language::Japanese, false) => writeln!(out, "{carried_by}セッションは接続処理中です"),
    };
    let user = call.user.as_deref().unwrap_or_else(|| look.pick("(not yet known)", "(まだわかりません)"));
    let _ = writeln!(out, "{}: {user}", look.pick("User", "接続相手"));
    let _ = writeln!(out, "{}: {}", look.pick("Outside address", "外側のアドレス"), call.outside_address);
    let _ = writeln!(out, "{}", connection(call.connected_s, look.language));
    traffic(&call.traffic, "", look, out);
    ppp(call, look, out);
}

/// What PPP has agreed on; `Cofigure` is the router's own spelling.
fn ppp(call: &CallShown, look: Look<'_>, out: &mut String) {
    let (Some(local), Some(remote)) = (call.local_address, call.remote_address) else { return };
    let _ = writeln!(out, "{}", look.pick("PPP Cofigure Options", "PPPオプション"));
    if let Some(mru) = call.remote_mru {
        let _ = writeln!(out, "    LCP Remote: MRU({mru})");
    }
    let mut told = String::from("IP-Address");
    for (name, server) in ["Primary-DNS", "Secondary-DNS"].iter().zip(&call.dns) {
        let _ = write!(told, " {name}({server})");
    }
    let _ = writeln!(out, "    IPCP Local: IP-Address, Remote: {told}");
    let _ = writeln!(out, "    PP IP Address Local: {local}, Remote: {remote}");
    if call.options.is_empty() {
        let _ = writeln!(out, "    CCP: None");
    }
    for line in &call.options {
        let _ = writeln!(out, "    {line}");
    }
}

/// `show status tunnel` (yamaha.md §5.3).
fn tunnel(shown: &TunnelShown, look: Look<'_>, out: &mut String) {
    let _ = writeln!(out, "TUNNEL[{}]: ", shown.tunnel);
    let _ = writeln!(out, "{}: {}", look.pick("Description", "説明"), shown.description);
    let _ = writeln!(out, "  {}: {}", look.pick("Interface type", "インタフェースの種類"), shown.kind);
    let state = if shown.online {
        look.pick("Current status is Online.", "トンネルインタフェースは接続されています")
    } else {
        look.pick("Current status is Offline.", "トンネルインタフェースは接続されていません")
    };
    let _ = writeln!(out, "  {state}");
    let Some(used) = &shown.traffic else { return };
    let since = (look.ago)(shown.connected_s);
    let _ = match look.language {
        Language::English => writeln!(out, "  from {since}."),
        Language::Japanese => writeln!(out, "  開始: {since}"),
    };
    let _ = writeln!(out, "  {}", connection(shown.connected_s, look.language));
    let Traffic { received_packets, received_octets, sent_packets, sent_octets, received_ipv6, sent_ipv6 } = *used;
    apart(look.pick("Received:   ", "受信:"), (received_packets, received_octets), received_ipv6, look, out);
    apart(look.pick("Transmitted:", "送信:"), (sent_packets, sent_octets), sent_ipv6, look, out);
}

/// Packets and octets of IPv4 and of IPv6, of all and of IPv6 among them.
fn apart(heading: &str, all: (u64, u64), ipv6: (u64, u64), look: Look<'_>, out: &mut String) {
    let ipv4 = (all.0.saturating_sub(ipv6.0), all.1.saturating_sub(ipv6.1));
    let margin = look.pick("            ", "     ");
    let _ = writeln!(out, "  {heading} (IPv4) {}", counters(ipv4.0, ipv4.1, look.language));
    let _ = writeln!(out, "  {margin} (IPv6) {}", counters(ipv6.0, ipv6.1, look.language));
}

/// `show ipsec sa` (yamaha.md §5.4): English in both languages.
fn table_of_sas(sas: &[SaShown], out: &mut String) {
    let isakmp = sas.iter().filter(|sa| sa.direction.is_none()).count();
    let pairs = sas.iter().filter(|sa| sa.direction == Some("send")).count();
    let _ = writeln!(out, "Total: isakmp:{isakmp} send:{pairs} recv:{pairs}\n");
    let _ = writeln!(out, "sa    sgw isakmp connection    dir  life[s] remote-id");
    let _ = writeln!(out, "{}", "-".repeat(76));
    for sa in sas {
        let parent = sa.isakmp.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let (connection, direction) = match sa.direction {
            None => ("isakmp".to_owned(), "-"),
            Some(direction) => (format!("tra[{:04}]esp", sa.tunnel), if direction == "send" { "send" } else { "recv" }),
        };
        let SaShown { sa: number, gateway, life_s, remote, .. } = sa;
        let _ =
            writeln!(out, "{number:<5} {gateway:<4} {parent:<4} {connection:<13} {direction:<4} {life_s:<7} {remote}");
    }
}

/// `show ipsec sa gateway` (yamaha.md §5.4).
fn table_of_gateways(gateways: &[GatewayShown], out: &mut String) {
    let _ = writeln!(out, "sgw  flags local-id                      remote-id        # of sa");
    let _ = writeln!(out, "{}", "-".repeat(74));
    for g in gateways {
        let flags = format!("{} {}", if g.up { "U" } else { " " }, if g.keepalive { "K" } else { " " });
        let local = g.local.map_or_else(|| "-".to_owned(), |local| local.to_string());
        let GatewayShown { gateway, remote, isakmp, send, receive, .. } = g;
        let _ = writeln!(out, "{gateway:<4} {flags:<5} {local:<29} {remote:<16} i:{isakmp} s:{send} r:{receive}");
    }
}

/// `show ipsec sa gateway … detail` (yamaha.md §5.4). Keys are never shown.
fn detail(sa: &SaShown, look: Look<'_>, out: &mut String) {
    let _ = match look.language {
        Language::English => writeln!(out, "SA[{}] Duration: {}s", sa.sa, sa.life_s),
        Language::Japanese => writeln!(out, "SA[{}] 寿命: {}秒", sa.sa, sa.life_s),
    };
    let _ = writeln!(out, "{}: {}", look.pick("Local ID", "自分側の識別子"), sa.local);
    let _ = writeln!(out, "{}: {}", look.pick("Remote ID", "相手側の識別子"), sa.remote);
    if let Some(direction) = sa.direction {
        let word = match (direction, look.language) {
            (word, Language::English) => word,
            ("send", Language::Japanese) => "送信",
            (_, Language::Japanese) => "受信",
        };
        let _ = writeln!(out, "{}: {word}", look.pick("Direction", "送受信方向"));
        let mode = look.pick("ESP (Mode: transport)", "ESP (モード: transport)");
        let _ = writeln!(out, "{}: {mode}", look.pick("Protocol", "プロトコル"));
    } else {
        let _ = writeln!(out, "{}: IKE", look.pick("Protocol", "プロトコル"));
    }
    let _ = writeln!(out, "{}: {}", look.pick("Algorithm", "アルゴリズム"), sa.algorithm);
    let _ = writeln!(out, "SPI: {} ", sa.spi);
    let _ = writeln!(out, "{}: ** ** ** ** **  (confidential)   ** ** ** ** **", look.pick("Key", "鍵 "));
    let _ = writeln!(out, "{}", "-".repeat(52));
}

/// `show account`: the router's layout is not known.
fn account(shown: &AccountShown, look: Look<'_>, out: &mut String) {
    let lasting = lasting(shown.connected_s, look.language);
    let _ = match look.language {
        Language::English => writeln!(
            out,
            "{}:\n  Calls out: 0, Calls in: {}\n  Connected for: {lasting}",
            shown.interface, shown.calls_in
        ),
        Language::Japanese => {
            writeln!(out, "{}:\n  発信回数: 0, 着信回数: {}\n  接続時間: {lasting}", shown.interface, shown.calls_in)
        }
    };
}

/// `show pp connect time`: the router's layout is not known.
fn times(calls: &[TimeShown], look: Look<'_>, out: &mut String) {
    for call in calls {
        let user = call.user.as_deref().unwrap_or("-");
        let _ = writeln!(out, "{}: {} ({user})", call.interface, lasting(call.connected_s, look.language));
    }
    if calls.is_empty() {
        let _ = writeln!(out, "{}", look.pick("Nobody is connected.", "接続されていません"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_words_of_the_router() {
        let told = |s| connection(s, Language::English);
        assert_eq!(told(109), "1 minute 49 seconds  connection.");
        assert_eq!(told(18_478), "5 hours 7 minutes 58 seconds  connection.");
        assert_eq!(told(1), "1 second  connection.");
        assert_eq!(told(0), "0 seconds  connection.");
        assert_eq!(connection(1239, Language::Japanese), "通信時間: 20分39秒");
        assert_eq!(lasting(93_784, Language::Japanese), "1日2時間3分4秒");
    }

    #[test]
    fn counters_have_singular_forms() {
        assert_eq!(counters(0, 0, Language::English), "0 packet [0 octet]");
        assert_eq!(counters(1, 840, Language::English), "1 packet [840 octets]");
        assert_eq!(counters(54, 5461, Language::Japanese), "54 パケット [5461 オクテット]");
    }
}
