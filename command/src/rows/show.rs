//! What operators ask to see and to have done.

use crate::config::PpRef;
use crate::request::{Part, Request, Tunnels, Which};
use crate::table::{Args, Row};
use crate::value::{IDS, Kind, PPS, REST, Slot, TUNNELS, Value, may, must};

/// An interface, or the selected one.
const PP: &[Slot] = &[may("N", Kind::NumberOr(1, PPS, &["anonymous"]))];
const SESSION: &[Slot] = &[must("WHICH", Kind::Session)];
const SAVE: &[Slot] = &[may("SAVE", Kind::Choice(&["save"]))];
const REVERSE: &[Slot] = &[may("REVERSE", Kind::Choice(&["reverse"]))];

fn pp(v: Args<'_>) -> Option<PpRef> {
    match v.0.first() {
        Some(Value::Number(number)) => Some(PpRef::Number(*number)),
        Some(Value::Word(_)) => Some(PpRef::Anonymous),
        _ => None,
    }
}

fn which(v: Args<'_>) -> Request {
    Request::Disconnect(match v.0.first() {
        Some(Value::Word("anonymous")) => Which::AllAnonymous,
        Some(Value::Numbers(instance, _)) => Which::Anonymous(*instance),
        Some(Value::Number(number)) => Which::Pp(*number),
        _ => Which::All,
    })
}

pub(crate) const ROWS: &[Row] = &[
    Row::ask("show status l2tp", &[], |_| Request::ShowStatusL2tp(None))
        .help("every L2TP tunnel and its session", "L2TPの状態を表示する"),
    Row::ask("show status l2tp tunnel", &[must("N", Kind::Number(1, TUNNELS))], |v| {
        Request::ShowStatusL2tp(v.number(0))
    })
    .help("one L2TP tunnel and its session", "L2TPトンネルを1つ表示する"),
    Row::ask("show status pp", PP, |v| Request::ShowStatusPp(pp(v)))
        .help("who is on; without a word, at the selected interface", "PPの状態を表示する"),
    Row::ask("show status tunnel", &[may("N", Kind::NumberOr(1, TUNNELS, &["up", "down"]))], |v| {
        Request::ShowStatusTunnel(match (v.number(0), v.word(0)) {
            (Some(number), _) => Tunnels::Number(number),
            (None, "up") => Tunnels::Up,
            (None, "down") => Tunnels::Down,
            (None, _) => Tunnels::Selected,
        })
    })
    .help("the state of tunnels", "トンネルの状態を表示する"),
    Row::ask("show status fastpath", &[], |_| Request::ShowStatusFastpath)
        .help("what carries packets, and why some were dropped", "データ転送の方式と破棄の理由を表示する"),
    Row::ask("show status user", &[], |_| Request::ShowStatusUser)
        .help("which operators are on", "ログインしているユーザーを表示する"),
    Row::ask("show ipsec sa", &[], |_| Request::ShowIpsecSa).help("every ISAKMP and IPsec SA", "SAの状態を表示する"),
    Row::ask("show ipsec sa gateway", &[may("G", Kind::Gateway), may("DETAIL", Kind::Choice(&["detail"]))], |v| {
        Request::ShowIpsecSaGateway { gateway: v.number(0), detail: v.has(1) }
    })
    .help("SAs of a gateway, or of each", "ゲートウェイごとのSAを表示する"),
    Row::ask("show config", &[], |_| Request::ShowConfig(Part::All))
        .help("the running configuration", "設定を表示する"),
    Row::ask("less config", &[], |_| Request::ShowConfig(Part::All))
        .help("the configuration, page by page", "設定を1画面ずつ表示する"),
    Row::ask("show config pp", PP, |v| Request::ShowConfig(Part::Pp(pp(v))))
        .help("the configuration of an interface", "PPの設定を表示する"),
    Row::ask(
        "show config tunnel",
        &[may("N", Kind::Number(1, TUNNELS)), may("EXPAND", Kind::Choice(&["expand"]))],
        |v| Request::ShowConfig(Part::Tunnel { number: v.number(0), expand: v.has(1) }),
    )
    .help("the configuration of a tunnel; expand adds what its template gives it", "トンネルの設定を表示する"),
    Row::ask("show log", REVERSE, |v| Request::ShowLog { reverse: v.has(0) })
        .help("the log, oldest line first; reverse: newest first", "ログを表示する"),
    Row::ask("less log", REVERSE, |v| Request::ShowLog { reverse: v.has(0) })
        .help("the log, page by page", "ログを1画面ずつ表示する"),
    Row::ask("clear log", &[], |_| Request::ClearLog).help("clear the log", "ログを消す"),
    Row::ask("show arp", &[], |_| Request::ShowArp).help("neighbours on the LANs", "ARPテーブルを表示する"),
    Row::ask("show ip route", &[], |_| Request::ShowIpRoute).help("the routes", "経路を表示する"),
    Row::ask("show account", &[], |_| Request::ShowAccount(None))
        .help("how many calls there were", "通信の回数を表示する"),
    Row::ask("show account pp", PP, |v| Request::ShowAccount(pp(v)))
        .help("how many calls an interface had", "PPの通信の回数を表示する"),
    Row::ask("clear account", &[], |_| Request::ClearAccount).help("count calls anew", "通信の回数を消す"),
    Row::ask("show pp connect time", PP, |v| Request::ShowPpConnectTime(pp(v)))
        .help("how long calls last", "接続時間を表示する"),
    Row::ask("show environment", &[may("DETAIL", Kind::Choice(&["detail"]))], |_| Request::ShowEnvironment)
        .help("the state of machine and program", "機器の状態を表示する"),
    Row::ask("show techinfo", &[], |_| Request::ShowTechinfo)
        .help("everything for a supporter, without passwords and keys", "技術情報を表示する"),
    Row::ask("show command", &[], |_| Request::ShowCommand).help("all commands", "コマンドの一覧を表示する"),
    Row::ask("show copyright", &[], |_| Request::ShowCopyright).help("whose software it is", "著作権表示"),
    Row::ask("disconnect", SESSION, which).syntax("anonymousN|anonymous|all|N").help("end sessions", "接続を切る"),
    Row::ask("disconnect pp", SESSION, which)
        .syntax("anonymousN|anonymous|all|N")
        .help("end sessions of an interface", "PPの接続を切る"),
    Row::ask("connect", &[REST], |_| Request::Connect)
        .help("call a peer; an L2TP/IPsec server calls nobody", "相手に発信する"),
    Row::ask("administrator", &[], |_| Request::Administrator).help("become administrator", "管理者になる"),
    Row::ask("quit", SAVE, |v| Request::Quit { save: v.has(0) }).help("leave", "終わる"),
    Row::ask("exit", SAVE, |v| Request::Quit { save: v.has(0) }).help("leave", "終わる"),
    Row::ask("save", &[], |_| Request::Save).help("store the configuration in its file", "設定を保存する"),
    Row::ask("reload", &[], |_| Request::Reload).help(
        "read the configuration file again, without ending sessions that it does not concern",
        "設定ファイルを読み直す",
    ),
    Row::ask("help", &[], |_| Request::Help).help("what can be typed", "使い方を表示する"),
    Row::later("disconnect tunnel", &[must("N", Kind::Number(1, TUNNELS))])
        .help("end calls of NGN and L2TPv3 tunnels", "トンネルの接続を切る(NGN・L2TPv3)"),
    Row::later("disconnect user", &[REST]).help("end an operator's session", "ユーザーの接続を切る"),
    Row::later("clear arp", &[]).help("forget the neighbours", "ARPテーブルを消す"),
    Row::later("show config list", &[]).help("the stored configurations", "設定ファイルの一覧を表示する"),
    Row::later("show command history", &[may("N", Kind::Number(1, IDS))])
        .help("what was typed", "コマンドの履歴を表示する"),
    Row::later("ping", &[REST]).help("ask a host for an echo", "ホストの応答を確かめる"),
    Row::later("restart", &[REST]).help("start anew", "再起動する"),
    Row::later("cold start", &[]).help("go back to the factory's settings", "工場出荷状態に戻す"),
    Row::later("copy config", &[REST]).help("copy a stored configuration", "設定ファイルを複写する"),
    Row::later("delete config", &[REST]).help("delete a stored configuration", "設定ファイルを消す"),
];
