//! Screens of the host and of the program itself: log, routes, neighbours, operators, environment.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use command::{Config, Language, Routes, Text};
use engine::status::{Screen, lasting};
use serde::Serialize;

use crate::host::holder;
use crate::log::Remembered;
use crate::netlink::Netlink;
use crate::setup::TUN_NAME;

/// `show copyright`.
pub(super) const COPYRIGHT: &str = "Sekisho, an L2TP/IPsec remote-access VPN server\n\
    Licence: MIT or Apache-2.0, at your choice. The libraries in it are under licences of their own.\n";

/// An operator who is logged in.
#[derive(Debug)]
pub(crate) struct Present {
    pub(super) name: Option<String>,
    /// What ends the session when it is shut down.
    pub(super) stream: Option<UnixStream>,
    since: jiff::Zoned,
    pub(super) heard: Instant,
    pub(super) administrator: bool,
}

impl Present {
    pub(super) fn new(name: Option<String>, stream: Option<UnixStream>) -> Self {
        Self { name, stream, since: jiff::Zoned::now(), heard: Instant::now(), administrator: false }
    }
}

impl Present {
    /// The session of this number when it is over.
    pub(super) fn ended(self, number: u64) -> Past {
        let moment = |at: &jiff::Zoned| at.strftime("%Y/%m/%d %H:%M:%S").to_string();
        Past {
            name: self.name,
            connection: format!("console{number}"),
            login: moment(&self.since),
            logout: moment(&jiff::Zoned::now()),
        }
    }
}

/// A session that is over.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Past {
    name: Option<String>,
    connection: String,
    login: String,
    logout: String,
}

/// `show status user history`.
pub(super) fn past(all: &VecDeque<Past>, language: Language, as_json: bool) -> String {
    if as_json {
        return json(all);
    }
    let mut out = String::from(match language {
        Language::English => "username        connection login time          logout time\n",
        Language::Japanese => "ユーザー名      接続種別   ログイン            ログアウト\n",
    });
    let _ = writeln!(out, "{}", "-".repeat(66));
    for Past { name, connection, login, logout } in all {
        let _ = writeln!(out, "{:<15} {connection:<10} {login:<19} {logout}", name.as_deref().unwrap_or("-"));
    }
    out
}

/// `show command history`: what was typed, numbered from the oldest.
pub(super) fn history(lines: &VecDeque<String>, latest: Option<u32>, as_json: bool) -> String {
    let latest = latest.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    let shown = lines.iter().enumerate().skip(lines.len().saturating_sub(latest));
    if as_json {
        return json(&shown.map(|(_, line)| line).collect::<Vec<_>>());
    }
    shown.fold(String::new(), |mut out, (at, line)| {
        let _ = writeln!(out, "{:>4}: {line}", at + 1);
        out
    })
}

/// Lines that are the same in JSON: there as a list.
pub(super) fn plain(text: &str, as_json: bool) -> String {
    if as_json { json(&text.lines().collect::<Vec<_>>()) } else { text.to_owned() }
}

/// `show config list`: the one file, number 0, with its time and size.
pub(super) fn files(path: &Path, as_json: bool) -> Result<String, Text> {
    let about = std::fs::metadata(path).map_err(|error| {
        let shown = path.display();
        Text::new(format!("{shown} cannot be looked at: {error}"), format!("{shown}を確認できません: {error}"))
    })?;
    let changed = about.modified().ok().and_then(|time| jiff::Timestamp::try_from(time).ok());
    let changed = changed.map(|time| time.to_zoned(jiff::tz::TimeZone::system()));
    let changed = changed.map(|time| time.strftime("%Y/%m/%d %H:%M:%S").to_string()).unwrap_or_default();
    if as_json {
        let path = path.display().to_string();
        return Ok(json(&serde_json::json!([{ "number": 0, "date": changed, "size": about.len(), "path": path }])));
    }
    let line = "-".repeat(70);
    Ok(format!(
        "No.  Date       Time     Size    File\n{line}\n* 0  {changed:<19} {:>7} {}\n",
        about.len(),
        path.display()
    ))
}

/// A value as JSON, over several lines.
pub(super) fn json(value: &impl Serialize) -> String {
    // Plain data without maps of odd keys can always be written.
    serde_json::to_string_pretty(value).map_or_else(|_| String::new(), |text| text + "\n")
}

/// The date and time of so many seconds ago.
pub(super) fn moment_ago(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(0);
    let now = jiff::Zoned::now();
    let then = now.checked_sub(jiff::SignedDuration::from_secs(seconds)).unwrap_or(now);
    then.strftime("%Y/%m/%d %H:%M:%S").to_string()
}

/// The lines above `show config`.
pub(super) fn header() -> String {
    let now = jiff::Zoned::now();
    format!("# Sekisho Rev.{}\n# Reporting Date: {}\n", env!("CARGO_PKG_VERSION"), now.strftime("%b %e %H:%M:%S %Y"))
}

/// `help`.
pub(super) fn help(language: Language) -> &'static str {
    match language {
        Language::English => {
            "\
  ?            what may follow, at any place of a line
  TAB          completes the word before the cursor
  up, down     earlier lines
  Ctrl-A, E    to the begin, to the end of the line
  Ctrl-U, K, W deletes the line, its rest, a word
  Ctrl-C       gives up the line
  Ctrl-D       leaves
Words may be shortened as long as they are not ambiguous. 'no' before a setting removes it.
A line that shows something may end in | grep [-i] [-v] [-w] PATTERN, in | less, or in > FILE or >> FILE.
show command lists all commands.
"
        }
        Language::Japanese => {
            "\
  ?            行のどこでも、続けて入力できるものを表示する
  TAB          カーソルの前の単語を補完する
  上、下       以前に入力した行
  Ctrl-A, E    行頭、行末へ移動する
  Ctrl-U, K, W 行全体、カーソル以降、単語を削除する
  Ctrl-C       入力中の行を取り消す
  Ctrl-D       終わる
単語は区別できる範囲で省略できます。設定の前にnoを付けると設定を削除します。
表示コマンドの後には | grep [-i] [-v] [-w] パターン、| less、> ファイル、>> ファイル を付けられます。
すべてのコマンドはshow commandで表示します。
"
        }
    }
}

/// `show log`.
pub(super) fn log(mut lines: Vec<Remembered>, reverse: bool, as_json: bool) -> String {
    if reverse {
        lines.reverse();
    }
    if as_json {
        return json(&lines);
    }
    lines.iter().fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "{}: {}", line.time, line.text);
        out
    })
}

/// A route of the host.
#[derive(Serialize)]
struct RouteShown {
    destination: String,
    gateway: Option<Ipv4Addr>,
    interface: String,
    kind: &'static str,
}

fn trouble(error: &std::io::Error) -> Text {
    Text::new(format!("the kernel does not say: {error}"), format!("カーネルから取得できません: {error}"))
}

/// `show ip route`: the host's routes; those to clients bear their interface's name.
pub(super) fn routes(calls: &Screen, which: Routes, language: Language, as_json: bool) -> Result<String, Text> {
    let mut netlink = Netlink::open().map_err(|error| trouble(&error))?;
    let interfaces = netlink.interfaces().map_err(|error| trouble(&error))?;
    let name = |index: u32| interfaces.iter().find(|i| i.index == index).map_or("-", |i| i.name.as_str());
    let clients: BTreeMap<Ipv4Addr, &str> = match calls {
        Screen::Pp(all) => {
            all.iter().filter_map(|pp| Some((pp.call.as_ref()?.remote_address?, pp.interface.as_str()))).collect()
        }
        _ => BTreeMap::new(),
    };
    let mut routes = netlink.routes().map_err(|error| trouble(&error))?;
    if let Routes::To(address) = which {
        let mask = |prefix: u8| u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        routes.retain(|route| (route.destination.to_bits() ^ address.to_bits()) & mask(route.prefix) == 0);
        // The longest prefix is the one that is taken.
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix));
    }
    let shown: Vec<RouteShown> = routes
        .iter()
        .map(|route| {
            let client = clients.get(&route.destination).filter(|_| route.prefix == 32);
            let device = name(route.interface);
            RouteShown {
                destination: match route.prefix {
                    0 => "default".to_owned(),
                    prefix => format!("{}/{prefix}", route.destination),
                },
                gateway: route.gateway,
                interface: client.map_or(device, |interface| *interface).to_owned(),
                kind: if client.is_some() || device.starts_with(TUN_NAME) {
                    "temporary"
                } else if route.gateway.is_some() {
                    "static"
                } else {
                    "implicit"
                },
            }
        })
        .collect();
    if matches!(which, Routes::Summary) {
        return Ok(summary(&shown, language, as_json));
    }
    if as_json {
        return Ok(json(&shown));
    }
    let mut out = String::from(match language {
        Language::English => "Destination         Gateway          Interface       Kind  Additional Info.\n",
        Language::Japanese => "宛先ネットワーク    ゲートウェイ     インタフェース  種別  付加情報\n",
    });
    for route in shown {
        let gateway = route.gateway.map_or_else(|| "-".to_owned(), |gateway| gateway.to_string());
        let RouteShown { destination, interface, kind, .. } = route;
        let _ = writeln!(out, "{destination:<19} {gateway:<16} {interface:>15} {kind:>9}");
    }
    Ok(out)
}

/// `show ip route summary`: how many routes of each kind there are.
fn summary(routes: &[RouteShown], language: Language, as_json: bool) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for route in routes {
        *counts.entry(route.kind).or_default() += 1;
    }
    if as_json {
        return json(&counts);
    }
    let mut out = match language {
        Language::English => format!("Number of routes: {}\n", routes.len()),
        Language::Japanese => format!("経路数: {}\n", routes.len()),
    };
    for (kind, count) in counts {
        let _ = writeln!(out, "  {kind}: {count}");
    }
    out
}

/// `clear arp`: what the kernel has learnt of its neighbours.
pub(super) fn clear_arp() -> Result<usize, Text> {
    Netlink::open().and_then(|mut netlink| netlink.forget_neighbours()).map_err(|error| trouble(&error))
}

/// A neighbour on a LAN.
#[derive(Serialize, Debug, PartialEq, Eq)]
struct Neighbour {
    interface: String,
    address: String,
    hardware_address: String,
}

/// The host's interface that a LAN of the configuration is.
pub(super) fn interface_of(config: &Config, lan: &str) -> Option<String> {
    let (address, _) = config.lans.get(&lan.to_ascii_lowercase())?.address?;
    let interfaces = Netlink::open().and_then(|mut netlink| netlink.interfaces()).ok()?;
    holder(&interfaces, address).map(|interface| interface.name.clone())
}

/// `show arp`: the host's neighbours.
pub(super) fn arp(interface: Option<&str>, language: Language, as_json: bool) -> Result<String, Text> {
    // That of this thread: the file is another one in another network namespace.
    let text = std::fs::read_to_string("/proc/thread-self/net/arp").map_err(|error| trouble(&error))?;
    let mut found = neighbours(&text);
    found.retain(|neighbour| interface.is_none_or(|wanted| wanted == neighbour.interface));
    if as_json {
        return Ok(json(&found));
    }
    let mut out = match language {
        Language::English => format!(
            "Number of entries: {}\nInterface       IP address       MAC address        TTL(seconds)\n",
            found.len()
        ),
        Language::Japanese => {
            format!("エントリ数: {}\nインタフェース  IPアドレス       MACアドレス        TTL(秒)\n", found.len())
        }
    };
    for Neighbour { interface, address, hardware_address } in found {
        let _ = writeln!(out, "{interface:<15} {address:<16} {hardware_address:<18} -");
    }
    Ok(out)
}

/// The complete entries of the kernel's table.
fn neighbours(table: &str) -> Vec<Neighbour> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [address, _, flags, hardware, _, interface] = words.as_slice() else { return None };
            // ATF_COM: the address is known.
            let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).ok()?;
            (flags & 2 != 0 && *hardware != "00:00:00:00:00:00").then(|| Neighbour {
                interface: (*interface).to_owned(),
                address: (*address).to_owned(),
                hardware_address: (*hardware).to_owned(),
            })
        })
        .collect()
}

/// `show status user` (yamaha.md §5.7).
pub(super) fn users(all: &BTreeMap<u64, Present>, who: Option<u64>, language: Language, as_json: bool) -> String {
    if as_json {
        let shown: Vec<serde_json::Value> = all
            .iter()
            .map(|(number, present)| {
                serde_json::json!({
                    "name": present.name,
                    "connection": format!("console{number}"),
                    "login": present.since.strftime("%Y/%m/%d %H:%M:%S").to_string(),
                    "idle_s": present.heard.elapsed().as_secs(),
                    "administrator": present.administrator,
                    "current": who == Some(*number),
                })
            })
            .collect();
        return json(&shown);
    }
    let mut out = String::from(match language {
        Language::English => {
            "   (*: current user, +: administrator mode)\n   username        connection login time   idle\n"
        }
        Language::Japanese => {
            "   (*: 自分自身のユーザー情報, +: 管理者モード)\n   ユーザー名      接続種別   ログイン     アイドル\n"
        }
    });
    let _ = writeln!(out, "{}", "-".repeat(79));
    for (number, present) in all {
        let current = if who == Some(*number) { '*' } else { ' ' };
        let administrator = if present.administrator { '+' } else { ' ' };
        let name = present.name.as_deref().unwrap_or("-");
        let idle = present.heard.elapsed().as_secs();
        let _ = writeln!(
            out,
            "{current}{administrator} {name:<15} {:<10} {:<12} {}:{:02}:{:02}",
            format!("console{number}"),
            present.since.strftime("%m/%d %H:%M").to_string(),
            idle / 3600,
            idle / 60 % 60,
            idle % 60
        );
    }
    out
}

/// Machine and program.
#[derive(Serialize)]
struct Environment {
    version: &'static str,
    time: String,
    started: String,
    running_s: u64,
    load: String,
    /// Of one processor, in hundredths, since the start.
    cpu_percent: u64,
    memory_kib: u64,
    /// Of the machine, in hundredths.
    memory_used_percent: u64,
    configuration: String,
    tunnels: usize,
    users: usize,
}

/// `show environment`.
pub(super) fn environment(path: &Path, started: Instant, config: &Config, language: Language, as_json: bool) -> String {
    let running_s = started.elapsed().as_secs();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let ticks = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_ticks(&stat)).unwrap_or(0);
    let machine = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let shown = Environment {
        version: env!("CARGO_PKG_VERSION"),
        time: moment_ago(0),
        started: moment_ago(running_s),
        running_s,
        load: load.split_whitespace().take(3).collect::<Vec<_>>().join(" "),
        cpu_percent: (ticks * 100 / TICKS).checked_div(running_s.max(1)).unwrap_or(0),
        memory_used_percent: memory_used(&machine).unwrap_or(0),
        memory_kib: resident.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0),
        configuration: path.display().to_string(),
        tunnels: config.l2tp_tunnels().len(),
        users: config.anonymous.users.len(),
    };
    if as_json {
        return json(&shown);
    }
    let Environment {
        version,
        time,
        started,
        load,
        cpu_percent,
        memory_kib,
        memory_used_percent,
        configuration,
        tunnels,
        users,
        ..
    } = shown;
    let lasting = lasting(running_s, language);
    match language {
        Language::English => format!(
            "Sekisho Rev.{version}\nConfiguration file: {configuration}\nCurrent time: {time}\nStarted at: {started}\n\
             Elapsed time from the start: {lasting}\nLoad of the machine: {load} (1, 5, 15 minutes)\n\
             CPU of the program: {cpu_percent}% (since the start)\n\
             Memory of the program: {memory_kib} KiB, of the machine: {memory_used_percent}% used\nL2TP tunnels: {tunnels}, users: {users}\n"
        ),
        Language::Japanese => format!(
            "Sekisho Rev.{version}\n設定ファイル: {configuration}\n現在の時刻: {time}\n起動時刻: {started}\n\
             起動からの経過時間: {lasting}\n負荷: {load} (1分、5分、15分)\n\
             プログラムのCPU使用率: {cpu_percent}% (起動から)\n\
             プログラムのメモリ: {memory_kib} KiB, 機器のメモリ: {memory_used_percent}% used\nL2TPトンネル数: {tunnels}, ユーザー数: {users}\n"
        ),
    }
}

/// Ticks of the kernel's clock for programs in a second (`USER_HZ`).
const TICKS: u64 = 100;

/// How long a process has run, out of `/proc/self/stat`, in ticks.
fn cpu_ticks(stat: &str) -> Option<u64> {
    // The name in brackets may hold blanks; utime and stime are fields 14 and 15.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// How much of the machine's memory is in use, out of `/proc/meminfo`, in hundredths.
fn memory_used(text: &str) -> Option<u64> {
    let value = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let (total, free) = (value("MemTotal:")?, value("MemAvailable:")?);
    (total.saturating_sub(free) * 100).checked_div(total)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn load_figures_are_read_from_what_the_kernel_prints() {
        let stat = "77 (a (b) c) S 1 77 77 0 -1 4194304 1 0 0 0 120 30 0 0 20 0 9 0 1 2 3";
        assert_eq!(cpu_ticks(stat), Some(150));
        assert_eq!(cpu_ticks("nonsense"), None);
        assert_eq!(memory_used("MemTotal:    1000 kB\nMemFree: 1 kB\nMemAvailable:  250 kB\n"), Some(75));
        assert_eq!(memory_used("MemTotal: 0 kB\nMemAvailable: 0 kB\n"), None);
    }

    #[test]
    fn a_history_shows_the_latest_lines_under_their_numbers() {
        let lines = VecDeque::from(["one".to_owned(), "two".to_owned(), "three".to_owned()]);
        assert_eq!(history(&lines, Some(2), false), "   2: two\n   3: three\n");
        assert_eq!(history(&lines, None, false).lines().count(), 3);
        assert_eq!(history(&lines, Some(1), true), "[\n  \"three\"\n]\n");
    }

    #[test]
    fn only_neighbours_that_have_answered_are_shown() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
            192.168.100.10   0x1         0x2         00:a0:de:00:00:01     *        lan0\n\
            192.168.100.11   0x1         0x0         00:00:00:00:00:00     *        lan0\n\
            nonsense\n";
        let found = neighbours(table);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].address.as_str(), found[0].interface.as_str()), ("192.168.100.10", "lan0"));
    }
}
