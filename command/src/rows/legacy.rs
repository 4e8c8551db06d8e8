//! PPTP and CCP: their rows, and what they come to as typed values, which nothing but the rooms of the same name reads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::config::{AuthRequest, Config, Encapsulation, Mss, PpRef};
use crate::problem::Severity;
use crate::request::Request;
use crate::rows::{Family, Found};
use crate::table::{Args, Home, Place, Remark, Row, Scope, number_of};
use crate::template;
use crate::text::Text;
use crate::value::{Kind, SWITCH, Slot, Value, may, must};

const SECONDS: u32 = 21_474_836;
const MILLISECONDS: &[Slot] = &[must("MS", Kind::Number(20, 10_000))];
const TIMES: &[Slot] = &[must("COUNT", Kind::Number(1, 10))];

/// What an operator is told who switches PPTP on.
pub const WARNING: &str = "PPTP protects nobody against an attacker who listens: whoever records a connection computes \
    the password's hash and all keys from it within a day (RFC 2637 has no authentication of packets, MS-CHAPv2 falls to \
    one DES key); use it only for clients that can do nothing else, and L2TP/IPsec for all others";

/// The same in Japanese.
const WARNING_JA: &str = "PPTPは盗聴者に対して安全ではありません。通信を記録すれば一日でパスワードのハッシュとすべての鍵が計算できます。\
    PPTPしか使えない端末だけに使い、ほかはL2TP/IPsecを使ってください";

pub(crate) const FAMILY: Family = Family { title: "PPTP and CCP", rows: ROWS, serves: &["pptp"], opens, look };

fn opens(config: &Config) -> Option<&'static str> {
    pptp(config).service.then_some("pptp service")
}

const ROWS: &[Row] = &[
    Row::apart(Home::Global, "pptp service", &[SWITCH], Place::Aside)
        .default("off")
        .help(
            "serve PPTP: on opens TCP 1723 and GRE, off closes them; broken by today's measure",
            "PPTP機能を使うかどうか(onでTCP 1723番とGREを開く。今日では安全でない)",
        )
        .check(|v| v.on(0).then(|| Remark::new(Severity::Warning, 0, WARNING, WARNING_JA))),
    Row::apart(Home::Pp, "pptp service type", &[must("TYPE", Kind::Choice(&["server", "client"]))], Place::PpAside)
        .default("server")
        .help(
            "whether this side is PPTP's server or client; only server is there",
            "PPTPのサーバーかクライアントか(serverのみ)",
        )
        .check(|v| {
            (v.word(0) == "client").then(|| {
                Remark::new(
                    Severity::Foreign,
                    0,
                    "nobody is called from here; write pptp service type server",
                    "発信はしません。pptp service type serverと書いてください",
                )
            })
        }),
    Row::apart(Home::Global, "pptp hostname", &[must("NAME", Kind::Text(1, 64))], Place::Aside)
        .default("the product's name")
        .help("the host name told to PPTP peers", "PPTPの相手に知らせるホスト名"),
    Row::apart(Home::Global, "pptp vendorname", &[must("NAME", Kind::Text(0, 64))], Place::Aside)
        .default("empty")
        .help("the vendor's name told to PPTP peers", "PPTPの相手に知らせるベンダー名"),
    Row::apart(Home::Global, "pptp window size", &[must("N", Kind::Number(1, 128))], Place::Aside)
        .default("32")
        .help("how many packets a client may send ahead, and how many are put back in order", "PPTPのウィンドウサイズ"),
    Row::apart(Home::Tunnel, "pptp syslog", &[SWITCH], Place::TunnelAside)
        .default("off")
        .help("log PPTP control messages but Echo, at debug level", "PPTP制御メッセージ(Echo以外)をログに残す"),
    Row::apart(
        Home::Tunnel,
        "pptp tunnel disconnect time",
        &[must("SECONDS", Kind::NumberOr(1, SECONDS, &["off"]))],
        Place::TunnelAside,
    )
    .default("60")
    .help(
        "seconds without data sent after which a PPTP tunnel is cut; off keeps it",
        "データを送らないPPTPトンネルを切るまでの秒数",
    ),
    Row::apart(Home::Tunnel, "pptp keepalive use", &[SWITCH], Place::TunnelAside)
        .default("on")
        .help("find out by Echo-Request whether the PPTP peer is alive", "PPTPキープアライブを使うかどうか"),
    Row::apart(Home::Tunnel, "pptp keepalive log", &[SWITCH], Place::TunnelAside)
        .default("off")
        .help("log PPTP keepalives, at debug level", "PPTPキープアライブをログに残す"),
    Row::apart(
        Home::Tunnel,
        "pptp keepalive interval",
        &[must("INTERVAL", Kind::Number(1, 65535)), may("COUNT", Kind::Number(3, 100))],
        Place::TunnelAside,
    )
    .default("30 6")
    .help(
        "seconds between keepalives, one second after a missed one, and how many missed ones end it",
        "PPTPキープアライブの間隔と回数",
    ),
    Row::foreign(Home::Global, "pptp call-id mode", &[must("MODE", Kind::Free)], Place::Aside)
        .help("how PPTP chooses call ids; they are random here", "PPTPのコールIDの選び方"),
    Row::apart(
        Home::Pp,
        "ppp ccp type",
        &[must("TYPE", Kind::Choice(&["stac0", "stac", "cstac", "mppe-40", "mppe-128", "mppe-any", "none"]))],
        Place::PppAside,
    )
    .default("stac")
    .help(
        "encryption of PPTP calls; L2TP calls, which IPsec encrypts, use it only where the client asks for it",
        "PPTPの暗号の種類(L2TPはIPsecで暗号化されるため、端末が求めたときだけ使う)",
    )
    .check(|v| {
        v.word(0).contains("stac").then(|| {
            Remark::new(
                Severity::Foreign,
                0,
                "compression is not done, so CCP is rejected; write none, or mppe-any for PPTP",
                "圧縮は行わず、CCPは拒否します。none、PPTPではmppe-anyと書いてください",
            )
        })
    }),
    Row::apart(Home::Pp, "ppp ccp restart", MILLISECONDS, Place::PppAside)
        .default("3000")
        .help("CCP restart timer in milliseconds", "CCPの再送タイマー(ミリ秒)"),
    Row::apart(Home::Pp, "ppp ccp maxterminate", TIMES, Place::PppAside)
        .default("2")
        .help("how often a CCP Terminate-Request is sent", "CCPの切断要求の送信回数"),
    Row::apart(Home::Pp, "ppp ccp maxconfigure", TIMES, Place::PppAside)
        .default("10")
        .help("how often a CCP Configure-Request is sent", "CCPの設定要求の送信回数"),
    Row::apart(Home::Pp, "ppp ccp maxfailure", TIMES, Place::PppAside)
        .default("10")
        .help("how many CCP Configure-Naks are sent before rejecting", "CCPのNakの送信回数"),
    Row::apart(
        Home::Pp,
        "ppp ccp no-encryption",
        &[must("ACTION", Kind::Choice(&["reject", "accept"]))],
        Place::PppAside,
    )
    .default("accept")
    .help(
        "what to do with a PPTP caller that does not agree to MPPE; reject lets nothing pass in the clear",
        "PPTPでMPPEが合意できないときの動作",
    ),
    Row::ask("show status pptp", &[], |_| Request::ShowStatusOf("pptp"))
        .help("every PPTP control connection, call and its GRE counters", "PPTPの状態を表示する"),
];

/// Sizes of MPPE's keys that may be agreed on, in bits; none where CCP is rejected.
pub type Keys = &'static [u8];

/// What CCP is to do for the calls of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ccp {
    /// Sizes of MPPE's keys, the best first.
    pub keys: Keys,
    /// Whether a PPTP caller that does not agree is sent away.
    pub required: bool,
    /// Restart timer, in milliseconds.
    pub restart_ms: u32,
    /// Terminate-Requests sent before giving up.
    pub max_terminate: u32,
    /// Configure-Requests sent before giving up.
    pub max_configure: u32,
    /// Configure-Naks sent before rejecting.
    pub max_failure: u32,
}

impl Default for Ccp {
    fn default() -> Self {
        Self { keys: &[], required: false, restart_ms: 3000, max_terminate: 2, max_configure: 10, max_failure: 10 }
    }
}

/// A PPTP tunnel that can be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Number.
    pub number: u32,
    /// Where its calls end.
    pub pp: PpRef,
    /// What CCP is to do there.
    pub ccp: Ccp,
    /// Limit of TCP's MSS.
    pub mss: Mss,
    /// The client's address, where only one may call.
    pub remote: Option<IpAddr>,
    /// Whether control messages are logged.
    pub syslog: bool,
    /// Seconds without data sent after which it is cut.
    pub disconnect_time_s: Option<u32>,
    /// Seconds between two Echo-Requests, and how many unanswered ones mean that the peer is gone.
    pub keepalive: Option<(u32, u32)>,
    /// Whether Echo-Requests are logged.
    pub keepalive_log: bool,
}

/// Everything about PPTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pptp {
    /// Whether it is served at all.
    pub service: bool,
    /// Host name told to peers.
    pub hostname: Option<String>,
    /// Vendor told to peers.
    pub vendorname: String,
    /// Packets that a client may send ahead.
    pub window: u16,
    /// Tunnels that can be served, ascending by number.
    pub tunnels: Vec<Tunnel>,
}

/// What was written of some rows, templates expanded.
struct Written(BTreeMap<(Scope, usize), Vec<Value>>);

impl Written {
    fn of(config: &Config) -> Self {
        let own: BTreeSet<usize> = ROWS.iter().map(|row| number_of(row.words)).collect();
        let mut written = BTreeMap::new();
        template::each(&config.script, |(scope, row, _), args| {
            if own.contains(row) {
                written.insert((*scope, *row), args.to_vec());
            }
        });
        Self(written)
    }

    fn row(&self, scope: Scope, words: &str) -> Option<Args<'_>> {
        self.0.get(&(scope, number_of(words))).map(|args| Args(args))
    }

    fn is_on(&self, scope: Scope, words: &str, default: bool) -> bool {
        self.row(scope, words).map_or(default, |v| v.on(0))
    }

    fn number(&self, scope: Scope, words: &str, default: u32) -> u32 {
        self.row(scope, words).and_then(|v| v.number(0)).unwrap_or(default)
    }

    fn tunnel(&self, config: &Config, number: u32, tunnel: &crate::config::Tunnel) -> Option<Tunnel> {
        if !tunnel.enabled || tunnel.encapsulation != Encapsulation::Other("pptp") {
            return None;
        }
        let pp = config.bound_to(number).filter(|pp| config.pp(*pp).is_some_and(|pp| pp.enabled))?;
        if self.row(Scope::Pp(pp), "pptp service type").is_some_and(|v| v.word(0) == "client") {
            return None;
        }
        let scope = Scope::Tunnel(number);
        let interval = self.row(scope, "pptp keepalive interval");
        let beat = |at: usize, default| interval.and_then(|v| v.number(at)).unwrap_or(default);
        let idle = self.row(scope, "pptp tunnel disconnect time");
        Some(Tunnel {
            number,
            pp,
            ccp: ccp(config, pp),
            mss: tunnel.mss,
            remote: tunnel.endpoint_remote,
            syslog: self.is_on(scope, "pptp syslog", false),
            disconnect_time_s: idle.map_or(Some(60), |v| v.number(0)),
            keepalive: self.is_on(scope, "pptp keepalive use", true).then(|| (beat(0, 30), beat(1, 6))),
            keepalive_log: self.is_on(scope, "pptp keepalive log", false),
        })
    }
}

/// What CCP is to do for calls that end on this interface.
#[must_use]
pub fn ccp(config: &Config, pp: PpRef) -> Ccp {
    let row = |words| config.script.one(Scope::Pp(pp), number_of(words)).map(|entry| Args(&entry.args));
    let keys: Keys = match row("ppp ccp type").map_or("stac", |v| v.word(0)) {
        "mppe-40" => &[40],
        "mppe-128" => &[128],
        "mppe-any" => &[128, 56, 40],
        _ => return Ccp { required: is_required(config, pp), ..Ccp::default() },
    };
    let default = Ccp::default();
    let number = |words, default| row(words).and_then(|v| v.number(0)).unwrap_or(default);
    Ccp {
        keys,
        required: is_required(config, pp),
        restart_ms: number("ppp ccp restart", default.restart_ms),
        max_terminate: number("ppp ccp maxterminate", default.max_terminate),
        max_configure: number("ppp ccp maxconfigure", default.max_configure),
        max_failure: number("ppp ccp maxfailure", default.max_failure),
    }
}

fn is_required(config: &Config, pp: PpRef) -> bool {
    let entry = config.script.one(Scope::Pp(pp), number_of("ppp ccp no-encryption"));
    entry.is_some_and(|entry| Args(&entry.args).word(0) == "reject")
}

/// What a configuration says of PPTP.
#[must_use]
pub fn pptp(config: &Config) -> Pptp {
    let written = Written::of(config);
    let global = Scope::Global;
    Pptp {
        service: written.is_on(global, "pptp service", false),
        hostname: written.row(global, "pptp hostname").map(|v| v.text(0).to_owned()),
        vendorname: written.row(global, "pptp vendorname").map(|v| v.text(0).to_owned()).unwrap_or_default(),
        window: u16::try_from(written.number(global, "pptp window size", 32)).unwrap_or(32),
        tunnels: config.tunnels.iter().filter_map(|(number, tunnel)| written.tunnel(config, *number, tunnel)).collect(),
    }
}

/// What does not go together.
fn look(config: &Config) -> Vec<Found> {
    let written = Written::of(config);
    let all = pptp(config);
    let mut found = Vec::new();
    let mut tell = |scope, words, message| found.push(Found { scope, words, severity: Severity::Warning, message });
    if all.service && all.tunnels.is_empty() {
        let message = Text::new(
            "no tunnel can serve a PPTP client: one needs tunnel encapsulation pptp, tunnel enable and pp bind",
            "PPTPで使えるトンネルがありません。tunnel encapsulation pptp、tunnel enable、pp bindが必要です",
        );
        tell(Scope::Global, "pptp service", message);
    }
    if !all.service
        && let Some(number) = all.tunnels.first().map(|tunnel| tunnel.number)
    {
        let message = Text::new(
            format!("tunnel {number} serves nobody, since PPTP is off; see pptp service"),
            format!("PPTPが無効なため、トンネル{number}は使われません。pptp serviceを見てください"),
        );
        tell(Scope::Tunnel(number), "tunnel encapsulation", message);
    }
    let mut told = Vec::new();
    for tunnel in all.tunnels.iter().filter(|_| all.service) {
        let Some(pp) = config.pp(tunnel.pp).filter(|_| !told.contains(&tunnel.pp)) else { continue };
        told.push(tunnel.pp);
        let makes_keys = matches!(pp.auth_request, Some(AuthRequest::MsChap | AuthRequest::MsChapV2));
        let scope = Scope::Pp(tunnel.pp);
        if tunnel.ccp.required && (!makes_keys || tunnel.ccp.keys.is_empty()) {
            let message = Text::new(
                "no PPTP caller is let in: MPPE is required, and it takes pp auth request mschap-v2 and ppp ccp type \
                 mppe-any",
                "PPTPの着信はすべて拒否されます。MPPEにはpp auth request mschap-v2とppp ccp type mppe-anyが必要です",
            );
            tell(scope, "ppp ccp no-encryption", message);
        } else if tunnel.ccp.keys.is_empty() || !makes_keys {
            let message = Text::new(
                "what PPTP callers send is not encrypted at all; write ppp ccp type mppe-any, ppp ccp no-encryption \
                 reject and pp auth request mschap-v2",
                "PPTPの通信は暗号化されません。ppp ccp type mppe-any、ppp ccp no-encryption reject、\
                 pp auth request mschap-v2を書いてください",
            );
            let words = if written.row(scope, "ppp ccp type").is_some() { "ppp ccp type" } else { "pp auth request" };
            tell(scope, words, message);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::parse::parse;

    const EXAMPLE: &str = include_str!("../../../examples/with_pptp.conf");

    fn warnings(text: &str) -> Vec<String> {
        parse(text).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_routers_fourth_example_serves_one_tunnel_of_each_kind() {
        let (config, problems) = parse(EXAMPLE);
        assert!(problems.iter().all(|p| p.severity != Severity::Error), "{problems:?}");
        let all = pptp(&config);
        assert!(all.service);
        assert_eq!((all.window, all.hostname.as_deref(), all.vendorname.as_str()), (32, None, ""));
        let [tunnel] = all.tunnels.as_slice() else { panic!("one tunnel: {all:?}") };
        assert_eq!((tunnel.number, tunnel.pp, tunnel.disconnect_time_s), (2, PpRef::Anonymous, None));
        assert_eq!((tunnel.ccp.keys, tunnel.ccp.required), (&[128, 56, 40][..], false));
        assert_eq!((tunnel.keepalive, tunnel.syslog), (Some((30, 6)), false));
        assert_eq!(config.l2tp_tunnels().len(), 1);
    }

    #[test]
    fn switching_it_on_says_what_that_means_and_off_is_the_default() {
        let (without, _) = parse(&EXAMPLE.replace("pptp service on\n", ""));
        assert!(!pptp(&without).service);
        assert!(warnings(EXAMPLE).iter().any(|w| w.contains("L2TP/IPsec for all others")));
        let off = warnings(&EXAMPLE.replace("pptp service on\n", ""));
        assert!(off.iter().any(|w| w.contains("since PPTP is off")), "{off:?}");
        assert!(off.iter().all(|w| !w.contains("L2TP/IPsec for all others")), "{off:?}");
    }

    #[test]
    fn what_lets_nobody_in_or_encrypts_nothing_is_told() {
        let none = warnings(&EXAMPLE.replace("mppe-any", "none"));
        assert!(none.iter().any(|w| w.contains("not encrypted at all")), "{none:?}");
        let chap = EXAMPLE.replace("mschap-v2", "chap").replace("mppe-any", "mppe-any\n ppp ccp no-encryption reject");
        assert!(warnings(&chap).iter().any(|w| w.contains("no PPTP caller is let in")));
        let unbound = warnings(&EXAMPLE.replace("pp bind tunnel1-tunnel2", "pp bind tunnel1"));
        assert!(unbound.iter().any(|w| w.contains("no tunnel can serve a PPTP client")), "{unbound:?}");
    }

    #[test]
    fn every_setting_reaches_its_value() {
        let text = EXAMPLE
            .replace("mppe-any", "mppe-40\n ppp ccp no-encryption reject\n ppp ccp restart 500\n ppp ccp maxfailure 3")
            .replace(
                " pptp tunnel disconnect time off\n",
                " pptp tunnel disconnect time 90\n pptp keepalive interval 5 4\n pptp keepalive log on\n pptp syslog on\n",
            )
            .replace("pptp service on", "pptp hostname gate\npptp vendorname me\npptp window size 64\npptp service on");
        let (config, problems) = parse(&text);
        assert!(problems.iter().all(|p| p.severity != Severity::Error), "{problems:?}");
        let all = pptp(&config);
        assert_eq!((all.hostname.as_deref(), all.vendorname.as_str(), all.window), (Some("gate"), "me", 64));
        let tunnel = &all.tunnels[0];
        assert_eq!((tunnel.disconnect_time_s, tunnel.keepalive), (Some(90), Some((5, 4))));
        assert!(tunnel.keepalive_log && tunnel.syslog && tunnel.ccp.required);
        assert_eq!((tunnel.ccp.keys, tunnel.ccp.restart_ms, tunnel.ccp.max_failure), (&[40][..], 500, 3));
    }

    #[test]
    fn tunnels_of_the_lab_stand_beside_the_others() {
        let (config, _) = parse(include_str!("../../tests/configurations/lab_everything.conf"));
        assert_eq!(pptp(&config).tunnels.len(), 4);
    }
}
