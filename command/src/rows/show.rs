//! What operators ask to see and to have done.

use crate::config::PpRef;
use crate::request::{Part, Request, Routes, Tunnels, Which};
use crate::table::{Args, Row};
use crate::text::Text;
use crate::value::{IDS, Kind, PPS, REST, Slot, TUNNELS, Value, may, must, several};

/// An interface, or the selected one.
const PP: &[Slot] = &[may("N", Kind::NumberOr(1, PPS, &["anonymous"]))];
const SESSION: &[Slot] = &[must("WHICH", Kind::Session)];
const SAVE: &[Slot] = &[may("SAVE", Kind::Choice(&["save"]))];
const LOG: &[Slot] = &[may("SAVED", Kind::Choice(&["saved"])), may("REVERSE", Kind::Choice(&["reverse"]))];

fn pp(v: Args<'_>) -> Option<PpRef> {
    match v.0.first() {
        Some(Value::Number(number)) => Some(PpRef::Number(*number)),
        Some(Value::Word(_)) => Some(PpRef::Anonymous),
        _ => None,
    }
}

const STATUS_TUNNEL: &[Slot] =
    &[may("N", Kind::NumberOr(1, TUNNELS, &["up", "down"])), may("TEXT", Kind::Named("name", &Kind::Text(0, 64)))];
const FILE: &[Slot] = &[may("FILE", Kind::Number(0, 4))];
const CONFIG_PP: &[Slot] = &[may("N", Kind::OpenNumbers(PPS, &["anonymous"]))];
const CONFIG_TUNNEL: &[Slot] = &[may("N", Kind::Numbers(TUNNELS)), may("EXPAND", Kind::Choice(&["expand"]))];
const HISTORY: &[Slot] = &[may("N", Kind::Number(1, IDS))];

fn config(v: Args<'_>) -> Request {
    match v.number(0) {
        None => Request::ShowConfig(Part::All),
        Some(0) => Request::ShowConfig(Part::Saved),
        Some(_) => elsewhere("there is one stored configuration, number 0", "保存されている設定は0番だけです"),
    }
}

fn config_pp(v: Args<'_>) -> Request {
    Request::ShowConfig(match v.0.first() {
        Some(Value::Numbers(first, last)) if first == last => Part::Pp(Some(PpRef::Number(*first))),
        Some(Value::Numbers(first, last)) => Part::Pps(*first, *last),
        Some(Value::Word(_)) => Part::Pp(Some(PpRef::Anonymous)),
        _ => Part::Pp(None),
    })
}

fn config_tunnel(v: Args<'_>) -> Request {
    let numbers = match v.0.first() {
        Some(Value::Numbers(first, last)) => Some((*first, *last)),
        _ => None,
    };
    Request::ShowConfig(Part::Tunnel { numbers, expand: v.has(1) })
}

fn elsewhere(english: &str, japanese: &str) -> Request {
    Request::Elsewhere(Text::new(english, japanese))
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
    Row::ask("show status tunnel", STATUS_TUNNEL, |v| {
        Request::ShowStatusTunnel(match (v.number(0), v.word(0)) {
            _ if v.has(1) => Tunnels::Named(v.text(1).to_owned()),
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
    Row::ask("show status user history", &[], |_| Request::ShowUserHistory)
        .help("which operators have been on", "ユーザーのログイン履歴を表示する"),
    Row::ask("show ipsec sa", &[may("ID", Kind::Number(1, IDS))], |v| Request::ShowIpsecSa(v.number(0)))
        .help("every ISAKMP and IPsec SA, or one by its number", "SAの状態を表示する"),
    Row::ask("show ipsec sa gateway", &[may("G", Kind::Gateway), may("DETAIL", Kind::Choice(&["detail"]))], |v| {
        Request::ShowIpsecSaGateway { gateway: v.number(0), detail: v.has(1) }
    })
    .help("SAs of a gateway, or of each", "ゲートウェイごとのSAを表示する"),
    Row::ask("show config", FILE, config)
        .help("the running configuration; 0 is what its file holds", "設定を表示する(0は保存されている設定)"),
    Row::ask("less config", FILE, config)
        .help("the configuration, page by page", "設定を1画面ずつ表示する"),
    Row::ask("show config list", &[], |_| Request::ShowConfigList)
        .help("the file that save writes", "設定ファイルの一覧を表示する"),
    Row::ask("less config list", &[], |_| Request::ShowConfigList)
        .help("the file that save writes, page by page", "設定ファイルの一覧を1画面ずつ表示する"),
    Row::ask("show config pp", CONFIG_PP, config_pp)
        .syntax("[N|N-M|anonymous]")
        .help("the configuration of interfaces", "PPの設定を表示する"),
    Row::ask("less config pp", CONFIG_PP, config_pp)
        .syntax("[N|N-M|anonymous]")
        .help("the configuration of interfaces, page by page", "PPの設定を1画面ずつ表示する"),
    Row::ask("show config tunnel", CONFIG_TUNNEL, config_tunnel)
        .syntax("[N|N-M] [expand]")
        .help("the configuration of tunnels; expand adds what a template gives them", "トンネルの設定を表示する"),
    Row::ask("less config tunnel", CONFIG_TUNNEL, config_tunnel)
        .syntax("[N|N-M] [expand]")
        .help("the configuration of tunnels, page by page", "トンネルの設定を1画面ずつ表示する"),
    Row::ask("show log", LOG, |v| Request::ShowLog { saved: v.has(0), reverse: v.has(1) })
        .help("the log, oldest line first; reverse: newest first", "ログを表示する"),
    Row::ask("less log", LOG, |v| Request::ShowLog { saved: v.has(0), reverse: v.has(1) })
        .help("the log, page by page", "ログを1画面ずつ表示する"),
    Row::ask("clear log", &[may("SAVED", Kind::Choice(&["saved"]))], |_| Request::ClearLog)
        .help("clear the log", "ログを消す"),
    Row::ask("show arp", &[may("IF", Kind::Free)], |v| Request::ShowArp(v.free(0).pop()))
        .help("neighbours on the LANs, or behind one interface", "ARPテーブルを表示する"),
    Row::ask("clear arp", &[], |_| Request::ClearArp).help("forget the neighbours", "ARPテーブルを消す"),
    Row::ask("show ip route", &[may("ADDRESS", Kind::Net(&["detail", "summary"]))], |v| {
        Request::ShowIpRoute(match (v.net(0), v.word(0)) {
            (Some((address, _)), _) => Routes::To(address),
            (None, "summary") => Routes::Summary,
            (None, _) => Routes::All,
        })
    })
    .syntax("[ADDRESS|detail|summary]")
    .help("the routes, or those to an address", "経路を表示する"),
    Row::ask("show account", &[], |_| Request::ShowAccount(None))
        .help("how many calls there were", "通信の回数を表示する"),
    Row::ask("show account pp", PP, |v| Request::ShowAccount(pp(v)))
        .help("how many calls an interface had", "PPの通信の回数を表示する"),
    Row::ask("show account tunnel", &[may("N", Kind::Number(1, TUNNELS))], |v| Request::ShowAccountTunnel(v.number(0)))
        .help("how many calls came through tunnels", "トンネルの通信の回数を表示する"),
    Row::ask("clear account", &[], |_| Request::ClearAccount(None)).help("count calls anew", "通信の回数を消す"),
    Row::ask("clear account pp", PP, |v| Request::ClearAccount(pp(v)))
        .help("count the calls of an interface anew", "PPの通信の回数を消す"),
    Row::ask("show pp connect time", PP, |v| Request::ShowPpConnectTime(pp(v)))
        .help("how long calls last", "接続時間を表示する"),
    Row::ask("show environment", &[may("DETAIL", Kind::Choice(&["detail"]))], |_| Request::ShowEnvironment)
        .help("the state of machine and program", "機器の状態を表示する"),
    Row::ask("show techinfo", &[], |_| Request::ShowTechinfo)
        .help("everything for a supporter, without passwords and keys", "技術情報を表示する"),
    Row::ask("show command", &[], |_| Request::ShowCommand).help("all commands", "コマンドの一覧を表示する"),
    Row::ask("show command history", HISTORY, |v| Request::ShowHistory(v.number(0)))
        .help("what was typed in this session, the latest N lines", "入力したコマンドの履歴を表示する"),
    Row::ask("show history", HISTORY, |v| Request::ShowHistory(v.number(0)))
        .help("what was typed in this session, as old routers name it", "入力したコマンドの履歴を表示する(旧機種)"),
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
    Row::ask("save", &[several("FILE", Kind::Free, 0, 64)], |v| match v.free(0).first().map(String::as_str) {
        None | Some("0") => Request::Save,
        Some(_) => elsewhere(
            "there is one stored configuration, number 0; write save, and copy its file on the host",
            "保存できる設定は0番だけです。saveと書き、ホストでファイルを複写してください",
        ),
    })
    .syntax("[FILE [COMMENT]]")
    .help("store the configuration in its file, which is number 0", "設定を保存する"),
    Row::ask("reload", &[], |_| Request::Reload).help(
        "read the configuration file again, without ending sessions that it does not concern",
        "設定ファイルを読み直す",
    ),
    Row::ask("help", &[], |_| Request::Help).help("what can be typed", "使い方を表示する"),
    Row::ask("disconnect user", &[must("NAME[/TYPE]", Kind::Free), may("NO", Kind::Number(1, IDS))], |v| {
        let word = v.free(0).pop().unwrap_or_default();
        let (name, kind) = word.split_once('/').unwrap_or((&word, "console"));
        // `console3`: the connection as `show status user` prints it.
        match kind.to_ascii_lowercase().strip_prefix("console").map(|number| (number.is_empty(), number.parse().ok())) {
            Some((true, _)) => Request::DisconnectUser { name: name.to_owned(), number: v.number(1) },
            Some((false, Some(number))) => Request::DisconnectUser { name: name.to_owned(), number: Some(number) },
            _ => elsewhere(
                "operators are at the console, however they came to the host; write disconnect user NAME or NAME/consoleN",
                "操作者はホストへの入り方によらずコンソールにいます。disconnect user 名前または名前/consoleNと書いてください",
            ),
        }
    })
    .syntax("NAME[/TYPE [NO]]")
    .help("end the sessions of an operator; /console3 is the one that show status user prints so", "ユーザーの接続を切る"),
    Row::ask("disconnect tunnel", &[must("N", Kind::Number(1, TUNNELS))], |_| {
        elsewhere(
            "disconnect tunnel is about tunnels of NGN and L2TPv3; write disconnect anonymousN",
            "disconnect tunnelはNGNとL2TPv3のトンネル用です。disconnect anonymousNと書いてください",
        )
    })
    .help("end calls of NGN and L2TPv3 tunnels, of which there are none", "トンネルの接続を切る(NGN・L2TPv3)"),
    Row::ask("ping", &[REST], |_| elsewhere("the host has ping of its own", "pingはホストのコマンドを使ってください"))
        .help("ask a host for an echo; the host has ping of its own", "ホストの応答を確かめる"),
    Row::ask("restart", &[REST], |_| {
        elsewhere(
            "start anew with 'systemctl restart sekisho' on the host; reload reads the file again without ending sessions",
            "再起動はホストのsystemctl restart sekishoで行います。reloadなら接続を切らずに設定を読み直します",
        )
    })
    .help("start anew; the host does it", "再起動する"),
    Row::ask("cold start", &[], |_| {
        elsewhere(
            "there is no factory state; write another file and type reload",
            "工場出荷状態はありません。設定ファイルを書き換えてreloadと入力してください",
        )
    })
    .help("go back to the factory's settings, of which there are none", "工場出荷状態に戻す"),
    Row::ask("copy config", &[REST], |_| {
        elsewhere("the configuration is one file of the host; copy it with cp", "設定はホストの1つのファイルです。cpで複写してください")
    })
    .help("copy a stored configuration; it is a file of the host", "設定ファイルを複写する"),
    Row::ask("delete config", &[REST], |_| {
        elsewhere("the configuration is one file of the host; delete it with rm", "設定はホストの1つのファイルです。rmで消してください")
    })
    .help("delete a stored configuration; it is a file of the host", "設定ファイルを消す"),
];
