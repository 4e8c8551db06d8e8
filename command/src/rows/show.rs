//! What operators ask to see and to have done.

use crate::request::{Request, Which};
use crate::table::Row;
use crate::value::{IDS, Kind, REST, TUNNELS, Value, may, must};

pub(crate) const ROWS: &[Row] = &[
    Row::ask("show status l2tp", &[], |_| Request::ShowStatusL2tp)
        .help("every L2TP tunnel and its session", "L2TPの状態を表示する"),
    Row::ask("show status pp", &[must("N", Kind::Choice(&["anonymous"]))], |_| Request::ShowStatusPp)
        .help("who is on", "PPの状態を表示する"),
    Row::ask("show status fastpath", &[], |_| Request::ShowStatusFastpath)
        .help("what carries packets, and why some were dropped", "データ転送の方式と破棄の理由を表示する"),
    Row::ask("show ipsec sa", &[], |_| Request::ShowIpsecSa).help("every ISAKMP and IPsec SA", "SAの状態を表示する"),
    Row::ask("show config", &[], |_| Request::ShowConfig).help("the running configuration", "設定を表示する"),
    Row::ask("disconnect", &[must("WHICH", Kind::Session)], |v| {
        Request::Disconnect(match v.0.first() {
            Some(Value::Word("anonymous")) => Which::AllAnonymous,
            Some(Value::Numbers(instance, _)) => Which::Anonymous(*instance),
            Some(Value::Number(number)) => Which::Pp(*number),
            _ => Which::All,
        })
    })
    .syntax("anonymousN|anonymous|all|N")
    .help("end sessions", "接続を切る"),
    Row::ask("disconnect pp", &[must("WHICH", Kind::Session)], |v| {
        Request::Disconnect(match v.0.first() {
            Some(Value::Word("anonymous")) => Which::AllAnonymous,
            Some(Value::Numbers(instance, _)) => Which::Anonymous(*instance),
            Some(Value::Number(number)) => Which::Pp(*number),
            _ => Which::All,
        })
    })
    .syntax("anonymousN|anonymous|all|N")
    .help("end sessions of an interface", "PPの接続を切る"),
    Row::ask("help", &[], |_| Request::Help).help("what can be typed", "使い方を表示する"),
    Row::later("disconnect tunnel", &[must("N", Kind::Number(1, TUNNELS))])
        .help("end calls of NGN and L2TPv3 tunnels", "トンネルの接続を切る(NGN・L2TPv3)"),
    Row::later("disconnect user", &[REST]).help("end an operator's session", "ユーザーの接続を切る"),
    Row::later("connect", &[REST]).help("call a peer; an L2TP/IPsec server calls nobody", "相手に発信する"),
    Row::later("show status l2tp tunnel", &[must("N", Kind::Number(1, TUNNELS))])
        .help("one L2TP tunnel and its session", "L2TPトンネルを1つ表示する"),
    Row::later("show status pptp", &[]).help("every PPTP tunnel", "PPTPの状態を表示する"),
    Row::later("show status tunnel", &[REST]).help("a tunnel's state", "トンネルの状態を表示する"),
    Row::later("show status user", &[REST]).help("which operators are on", "ログインしているユーザーを表示する"),
    Row::later("show ipsec sa gateway", &[REST]).help("SAs of a gateway", "ゲートウェイごとのSAを表示する"),
    Row::later("show log", &[REST]).help("the log", "ログを表示する"),
    Row::later("less log", &[REST]).help("the log, page by page", "ログを1画面ずつ表示する"),
    Row::later("clear log", &[REST]).help("clear the log", "ログを消す"),
    Row::later("show arp", &[REST]).help("neighbours on the LANs", "ARPテーブルを表示する"),
    Row::later("clear arp", &[]).help("forget the neighbours", "ARPテーブルを消す"),
    Row::later("show ip route", &[REST]).help("the routes", "経路を表示する"),
    Row::later("show account", &[REST]).help("how many calls there were", "通信の回数を表示する"),
    Row::later("clear account", &[REST]).help("count calls anew", "通信の回数を消す"),
    Row::later("show pp connect time", &[REST]).help("how long calls last", "接続時間を表示する"),
    Row::later("show config pp", &[REST]).help("the configuration of an interface", "PPの設定を表示する"),
    Row::later("show config tunnel", &[REST]).help("the configuration of a tunnel", "トンネルの設定を表示する"),
    Row::later("show config list", &[]).help("the stored configurations", "設定ファイルの一覧を表示する"),
    Row::later("less config", &[REST]).help("the configuration, page by page", "設定を1画面ずつ表示する"),
    Row::later("show environment", &[REST]).help("the machine's state", "機器の状態を表示する"),
    Row::later("show techinfo", &[]).help("everything, for a supporter", "技術情報を表示する"),
    Row::later("show command", &[]).help("all commands", "コマンドの一覧を表示する"),
    Row::later("show command history", &[may("N", Kind::Number(1, IDS))])
        .help("what was typed", "コマンドの履歴を表示する"),
    Row::later("show copyright", &[]).help("whose software it is", "著作権表示"),
    Row::later("ping", &[REST]).help("ask a host for an echo", "ホストの応答を確かめる"),
    Row::later("administrator", &[]).help("become administrator", "管理者になる"),
    Row::later("quit", &[REST]).help("leave", "終わる"),
    Row::later("exit", &[REST]).help("leave", "終わる"),
    Row::later("save", &[REST]).help("store the configuration", "設定を保存する"),
    Row::later("restart", &[REST]).help("start anew", "再起動する"),
    Row::later("cold start", &[]).help("go back to the factory's settings", "工場出荷状態に戻す"),
    Row::later("copy config", &[REST]).help("copy a stored configuration", "設定ファイルを複写する"),
    Row::later("delete config", &[REST]).help("delete a stored configuration", "設定ファイルを消す"),
];
