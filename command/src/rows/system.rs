//! The console, syslog, who may administer, and other services of the router.

use crate::config::{Config, SyslogForm};
use crate::rows::host::{SCHEDULE, SSH, TIME};
use crate::table::{Args, Home, Place, Remark, Row};
use crate::text::Fault;
use crate::value::{Hidden, Kind, REST, SWITCH, Slot, Value, may, must, several};

const PORT: &[Slot] = &[must("PORT", Kind::Number(1, 65_535))];
const HOSTS: &[Slot] = &[several("HOST", Kind::Free, 1, 64)];
const SESSIONS: &[Slot] = &[must("N", Kind::Number(1, 8))];
const FACILITY: Kind =
    Kind::NumberOr(0, 23, &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"]);
const CHARACTER: Kind = Kind::Choice(&["en.ascii", "ja.sjis", "ja.euc", "ja.utf8", "ascii", "sjis", "euc"]);

/// A password that is not written as it is.
const SEALED: &[Slot] = &[several("HASH", Kind::Text(1, 256), 0, 2)];

/// What a hash of a password stands behind.
const ENCRYPTED: &str = "encrypted";

/// The hash behind `encrypted`; none where a router's file says `*`.
fn sealed(v: Args<'_>, at: usize) -> Option<Hidden<String>> {
    match v.list(at) {
        [Value::Text(word), Value::Text(hash)] if word == ENCRYPTED => Some(Hidden::new(hash.clone())),
        _ => None,
    }
}

/// A password on the same line is refused, as on the routers.
fn asked_for(v: Args<'_>) -> Option<Remark> {
    let words: Vec<&Value> = v.list(0).iter().collect();
    let fine = match words.as_slice() {
        [] => true,
        [Value::Text(word)] => word == "*",
        [Value::Text(word), _] => word == ENCRYPTED,
        _ => false,
    };
    (!fine).then(|| {
        Remark::wrong(
            0,
            Fault::ParameterCount,
            "the password is asked for; write the command without it",
            "パスワードは別に入力します。コマンドだけを書いてください",
        )
    })
}

/// A password written as it is.
fn plain(v: Args<'_>, at: usize) -> Option<Hidden<String>> {
    match v.list(at) {
        [Value::Text(password)] if password != "*" => Some(Hidden::new(format!("plain:{password}"))),
        _ => None,
    }
}

fn attributes(config: &mut Config, v: Args<'_>) {
    let words: Vec<&str> = [0, 1]
        .into_iter()
        .flat_map(|at| v.list(at))
        .filter_map(|value| if let Value::Text(word) = value { Some(word.as_str()) } else { None })
        .collect();
    let name = words.first().filter(|word| !word.contains('='));
    let allowed = match name {
        Some(name) => &mut config.login.users.entry((*name).to_owned()).or_default().allowed,
        None => &mut config.login.others,
    };
    for (attribute, value) in words.iter().filter_map(|word| word.split_once('=')) {
        match attribute {
            "administrator" => allowed.administrator = value != "off",
            "connection" => allowed.connection = value != "off",
            "login-timer" => allowed.timer_s = value.parse().ok(),
            _ => {}
        }
    }
}

pub(crate) const ROWS: &[Row] = &[
    Row::foreign(Home::Global, "security class", &[must("LEVEL", Kind::Number(1, 3)), SWITCH, REST], Place::Security)
        .default("1 on")
        .help("how strictly the router guards its passwords", "セキュリティクラス"),
    Row::global("login password", SEALED, Place::Security, |config, v| {
        config.login.password = sealed(v, 0);
    })
    .check(asked_for)
    .syntax("[encrypted HASH]")
    .help("the password for logging in at the console; it is asked for", "ログインパスワード"),
    Row::global("administrator password", SEALED, Place::Security, |config, v| {
        config.login.administrator = sealed(v, 0);
    })
    .check(asked_for)
    .syntax("[encrypted HASH]")
    .help("the administrator's password; it is asked for", "管理者パスワード"),
    Row::global(
        "login user",
        &[must("NAME", Kind::Text(1, 32)), several("PASSWORD", Kind::Text(0, 256), 0, 2)],
        Place::Security,
        |config, v| {
            let user = config.login.users.entry(v.text(0).to_owned()).or_default();
            user.password = sealed(v, 1).or_else(|| plain(v, 1));
        },
    )
    .many(1)
    .syntax("NAME [PASSWORD | encrypted HASH]")
    .help("a user who may log in at the console", "ログインユーザー"),
    Row::global(
        "user attribute",
        &[several("NAME", Kind::Text(1, 32), 0, 1), several("ATTRIBUTE=VALUE", Kind::Text(1, 256), 0, 16)],
        Place::Security,
        attributes,
    )
    .many(1)
    .syntax("[NAME] [administrator=on|off] [connection=off|all|…] [login-timer=SECONDS|clear] …")
    .help(
        "what a user may do: become administrator, log in at all, and the seconds until the console is closed",
        "ユーザーの属性",
    ),
    Row::global(
        "login timer",
        &[must("SECONDS", Kind::NumberOr(120, 21_474_836, &["clear"]))],
        Place::Security,
        |config, v| config.login.timer_s = v.number(0),
    )
    .default("300")
    .help("seconds without a key until a console is closed", "ログインタイマー"),
    Row::kept(Home::Global, "login radius use", &[SWITCH], Place::Security)
        .default("off")
        .help("ask RADIUS about logins", "ログインにRADIUSを使うかどうか"),
    Row::kept(
        Home::Global,
        "administrator radius auth",
        &[must("SWITCH", Kind::Choice(&["on", "only", "off"]))],
        Place::Security,
    )
    .default("off")
    .help("ask RADIUS about administrators", "管理者の認証にRADIUSを使うかどうか"),
    Row::global("console character", &[must("CODE", CHARACTER)], Place::Console, |config, v| {
        config.console.japanese = v.word(0) != "en.ascii" && v.word(0) != "ascii";
    })
    .default("en.ascii")
    .help("the language of the console's texts; they are always in UTF-8", "コンソールの言語と文字コード"),
    Row::global("console columns", &[must("C", Kind::Number(80, 4096))], Place::Console, |config, v| {
        config.console.columns = v.number(0).unwrap_or(80);
    })
    .default("80")
    .help("columns of the console", "コンソールの桁数"),
    Row::global("console lines", &[must("L", Kind::NumberOr(10, 100, &["infinity"]))], Place::Console, |config, v| {
        config.console.lines = v.number(0);
    })
    .default("24")
    .help("lines of the console", "コンソールの行数"),
    Row::global("console prompt", &[must("TEXT", Kind::Text(0, 64))], Place::Console, |config, v| {
        config.console.prompt = Some(v.text(0).to_owned());
    })
    .help("text of the prompt", "コンソールのプロンプト"),
    Row::global("console info", &[SWITCH], Place::Console, |config, v| config.console.info = v.on(0))
        .default("off")
        .help("show log lines on the console", "ログをコンソールに表示するかどうか"),
    Row::apart(
        Home::Global,
        "description",
        &[must("ID", Kind::Free), must("TEXT", Kind::Text(0, 64))],
        Place::Description,
    )
    .many(1)
    .help("a description of the system or an interface", "システムやインタフェースの説明"),
    Row::global("syslog host", &[several("HOST", Kind::Host(255, &[]), 1, 4)], Place::Syslog, |config, v| {
        config.syslog.hosts = v.list(0).iter().map(|host| Kind::Host(255, &[]).write(host)).collect();
    })
    .help("hosts that the log is sent to", "SYSLOGの送り先"),
    Row::global("syslog facility", &[must("F", FACILITY)], Place::Syslog, |config, v| {
        let number = match v.word(0).strip_prefix("local") {
            Some(local) => local.parse::<u32>().unwrap_or(0) + 16,
            None => v.number(0).unwrap_or(1),
        };
        config.syslog.facility = u8::try_from(number).unwrap_or(1);
    })
    .default("user")
    .help("the log's facility", "SYSLOGのファシリティ"),
    Row::global("syslog notice", &[SWITCH], Place::Syslog, |config, v| config.syslog.notice = v.on(0))
        .default("off")
        .help("log refused packets and the like", "NOTICEレベルのログを出すかどうか"),
    Row::global("syslog info", &[SWITCH], Place::Syslog, |config, v| config.syslog.info = v.on(0))
        .default("on")
        .help("log the life of connections", "INFOレベルのログを出すかどうか"),
    Row::global("syslog debug", &[SWITCH], Place::Syslog, |config, v| config.syslog.debug = v.on(0))
        .default("off")
        .help("log details", "DEBUGレベルのログを出すかどうか"),
    Row::global(
        "syslog format type",
        &[must("TYPE", Kind::Choice(&["yamaha", "rfc3164", "rfc5424"]))],
        Place::Syslog,
        |config, v| {
            config.syslog.form = match v.word(0) {
                "rfc3164" => SyslogForm::Rfc3164,
                "rfc5424" => SyslogForm::Rfc5424,
                _ => SyslogForm::Yamaha,
            };
        },
    )
    .default("yamaha")
    .help("the form of a log packet", "SYSLOGの形式"),
    Row::global("syslog format hostname text", &[must("NAME", Kind::Text(1, 64))], Place::Syslog, |config, v| {
        config.syslog.hostname = Some(v.text(0).to_owned());
    })
    .default("Sekisho")
    .help("the host name in a log packet", "SYSLOGのホスト名"),
    Row::global("syslog local address", &[must("ADDRESS", Kind::Ip)], Place::Syslog, |config, v| {
        config.syslog.local_address = v.ip(0);
    })
    .help("the address that the log is sent from", "SYSLOGの送信元アドレス"),
    Row::global("syslog srcport", PORT, Place::Syslog, |config, v| {
        config.syslog.source_port = v.octets(0).unwrap_or(514);
    })
    .default("514")
    .help("the port that the log is sent from", "SYSLOGの送信元ポート"),
    Row::global("syslog execute command", &[SWITCH], Place::Syslog, |config, v| config.syslog.commands = v.on(0))
        .default("off")
        .help("log what operators type", "実行したコマンドをログに残す"),
    Row::host(Home::Global, "telnetd service", &[SWITCH], Place::Telnet, SSH)
        .default("on")
        .help("let operators in by TELNET", "TELNETサーバー機能"),
    Row::host(Home::Global, "telnetd listen", PORT, Place::Telnet, SSH)
        .default("23")
        .help("TELNET's port", "TELNETのポート番号"),
    Row::host(Home::Global, "telnetd host", HOSTS, Place::Telnet, SSH)
        .default("any")
        .help("who may come by TELNET", "TELNETを許すホスト"),
    Row::host(Home::Global, "telnetd session", SESSIONS, Place::Telnet, SSH)
        .default("8")
        .help("how many may come by TELNET", "TELNETの同時接続数"),
    Row::foreign(Home::Global, "tftp host", HOSTS, Place::Telnet)
        .help("who may read and write by TFTP", "TFTPを許すホスト"),
    Row::kept(Home::Global, "httpd service", &[SWITCH], Place::Web)
        .default("on")
        .help("serve the web page", "HTTPサーバー機能"),
    Row::kept(Home::Global, "httpd host", HOSTS, Place::Web)
        .default("lan")
        .help("who may see the web page", "HTTPを許すホスト"),
    Row::host(Home::Global, "sshd service", &[SWITCH], Place::Web, SSH)
        .default("off")
        .help("let operators in by SSH", "SSHサーバー機能"),
    Row::host(Home::Global, "sshd listen", PORT, Place::Web, SSH).default("22").help("SSH's port", "SSHのポート番号"),
    Row::host(Home::Global, "sshd host", HOSTS, Place::Web, SSH)
        .default("any")
        .help("who may come by SSH", "SSHを許すホスト"),
    Row::host(Home::Global, "sshd host key generate", &[REST], Place::Web, SSH).help("SSH's host key", "SSHのホスト鍵"),
    Row::host(Home::Global, "sshd session", SESSIONS, Place::Web, SSH)
        .default("8")
        .help("how many may come by SSH", "SSHの同時接続数"),
    Row::host(Home::Global, "schedule at", &[must("ID", Kind::Number(1, 65_535)), REST], Place::Schedule, SCHEDULE)
        .many(1)
        .help("a command at a time", "時刻を決めてコマンドを実行する"),
    Row::host(Home::Global, "timezone", &[may("ZONE", Kind::Free), REST], Place::Schedule, TIME)
        .help("the time zone", "タイムゾーン"),
    Row::foreign(Home::Global, "alarm entire", &[SWITCH], Place::Schedule).help("sounds of the router", "アラーム音"),
];
