//! What all operators share: the running configuration and the way to change it, its file, the log, who is there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use command::{Config, Language, Level, Part, PpRef, Problem, Request, Routes, Scope, Text, Typed};
use engine::status::{Reply, Screen};

use super::screens::{self, Past, Present};
use super::store::{self, Unkept};
use super::text_of;
use crate::check;
use crate::fastpath;
use crate::log::Log;
use crate::netlink::Netlink;
use crate::wake::Wake;
use crate::worker::Done;

/// How long an operator waits for the control thread.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many tunnels are expanded at once.
const MOST_EXPANDED: usize = 100;
/// How many sessions that are over are remembered.
const MOST_PAST: usize = 50;
/// How many errors of a file are told.
const MOST_TOLD: usize = 5;

/// What the control thread is to do, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) what: What,
    pub(crate) answer: SyncSender<Answer>,
}

/// What the control thread is to do.
#[derive(Debug)]
pub(crate) enum What {
    /// Hand a request to the engine.
    Request(Request, Scope),
    /// Follow another configuration from here on.
    Configure(Box<Config>),
}

/// The control thread's answer: the engine's reply, or what went wrong on the host.
#[derive(Debug)]
pub(crate) enum Answer {
    Reply(Reply),
    Configured,
    /// What the data thread has done; nothing if it did not answer in time.
    FastPath(Option<Box<Done>>),
}

/// What all operators share.
pub(crate) struct Desk {
    pub(crate) log: Log,
    /// The running configuration.
    config: Mutex<Arc<Config>>,
    /// The text that the file would be read as.
    saved: Mutex<String>,
    /// Held while a change is made: each is made to what the one before has left.
    changing: Mutex<()>,
    path: PathBuf,
    errands: SyncSender<Errand>,
    bell: Arc<Wake>,
    present: Mutex<(u64, BTreeMap<u64, Present>)>,
    /// Sessions that are over, the latest last.
    past: Mutex<VecDeque<Past>>,
    started: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// A desk for a server that runs with this configuration, read from this file.
    pub(crate) fn new(config: Config, path: PathBuf, log: Log, errands: SyncSender<Errand>, bell: Arc<Wake>) -> Self {
        Self {
            log,
            saved: Mutex::new(config.show()),
            config: Mutex::new(Arc::new(config)),
            changing: Mutex::default(),
            path,
            errands,
            bell,
            present: Mutex::default(),
            past: Mutex::default(),
            started: Instant::now(),
        }
    }

    /// The running configuration.
    pub(crate) fn config(&self) -> Arc<Config> {
        lock(&self.config).clone()
    }

    fn errand(&self, what: What) -> Result<Answer, Text> {
        let (answer, wait) = sync_channel(1);
        let stopping = |_| Text::new("the server is stopping", "サーバーは停止中です");
        self.errands.send(Errand { what, answer }).map_err(stopping)?;
        self.bell.ring();
        wait.recv_timeout(PATIENCE).map_err(|_| {
            Text::new(
                "the server is busy and did not answer; ask again",
                "サーバーが応答しません。もう一度試してください",
            )
        })
    }

    // ---- changes

    /// Changes the configuration by a line; tells what is wrong in it now and was not before.
    pub(crate) fn change(&self, selected: Scope, level: Level, line: &str) -> Result<Vec<Problem>, Text> {
        let _changing = lock(&self.changing);
        match command::typed(&self.config(), selected, level, line) {
            Err(problem) => Err(problem.message),
            Ok(Typed::Change { config, told }) => self.follow(*config).map(|()| told),
            Ok(Typed::Nothing | Typed::Select(_) | Typed::Ask(_) | Typed::Password(_)) => Ok(vec![]),
        }
    }

    /// Reads the file again and follows it; a file with an error changes nothing.
    pub(crate) fn reload(&self) -> Result<(), Text> {
        let _changing = lock(&self.changing);
        let text = check::read(&self.path).map_err(|failure| Text::new(failure.sentence.clone(), failure.sentence))?;
        let (config, problems) = command::parse(&text);
        let errors: Vec<&Problem> = problems.iter().filter(|p| p.severity == command::Severity::Error).collect();
        if !errors.is_empty() {
            let told = |language| {
                let lines: Vec<String> = errors.iter().take(MOST_TOLD).map(|error| error.told(language)).collect();
                lines.join("\n")
            };
            let path = self.path.display();
            return Err(Text::new(
                format!("{path} is refused, and nothing was changed:\n{}", told(Language::English)),
                format!("{path}に誤りがあるため、何も変更していません:\n{}", told(Language::Japanese)),
            ));
        }
        let saved = config.show();
        self.follow(config)?;
        *lock(&self.saved) = saved;
        self.log.line(format_args!("Configuration read from \"{}\"", self.path.display()));
        Ok(())
    }

    /// Hands another configuration to the control thread.
    fn follow(&self, config: Config) -> Result<(), Text> {
        let before = self.config();
        if config == *before {
            return Ok(());
        }
        if config.lans != before.lans
            && let Ok(interfaces) = Netlink::open().and_then(|mut netlink| netlink.interfaces())
            && let Some(sentence) = check::missing_address(&config, &interfaces)
        {
            return Err(Text::new(sentence.clone(), sentence));
        }
        self.errand(What::Configure(Box::new(config.clone())))?;
        *lock(&self.config) = Arc::new(config);
        Ok(())
    }

    /// Whether the file says something else than what runs.
    pub(crate) fn is_unsaved(&self) -> bool {
        *lock(&self.saved) != self.config().show()
    }

    /// Writes the running configuration into its file; gives the file's name.
    pub(crate) fn save(&self, way: &str) -> Result<String, Text> {
        let _changing = lock(&self.changing);
        let config = self.config();
        if let Some(error) = config.errors().first() {
            return Err(Text::new(
                format!(
                    "a start with this configuration would be refused, so it is not saved: {}",
                    error.message.english
                ),
                format!("この設定では起動できないため、保存しません: {}", error.message.japanese),
            ));
        }
        let (path, text) = (self.path.display().to_string(), config.show());
        store::write(&self.path, &text).map_err(|unkept| match unkept {
            Unkept::Unwritten(error) if !self.path.exists() => Text::new(
                format!(
                    "cannot write {path}: {error}; there is no such file now, 'show config' prints what belongs into it"
                ),
                format!("{path}に書き込めません: {error}。ファイルはありません。内容はshow configで表示できます"),
            ),
            Unkept::Unwritten(error) => Text::new(
                format!("cannot write {path}: {error}; the file is as it was"),
                format!("{path}に書き込めません: {error}。ファイルは元のままです"),
            ),
            Unkept::Unsure(error) => Text::new(
                format!("{path} is written, but may be lost if the power fails: {error}; save once more"),
                format!(
                    "{path}に書き込みましたが、電源断で失われるおそれがあります: {error}。もう一度saveしてください"
                ),
            ),
        })?;
        *lock(&self.saved) = text;
        self.log.line(format_args!("Configuration saved in \"{path}\" by {way}"));
        Ok(path)
    }

    // ---- what is shown

    /// A screen, in words or as JSON.
    pub(crate) fn shown(
        &self,
        request: Request,
        selected: Scope,
        level: Level,
        language: Language,
        json: bool,
        who: Option<u64>,
    ) -> Result<String, Text> {
        let config = self.config();
        let text = match request {
            Request::ShowConfig(Part::Saved) => {
                screens::plain(&command::parse(&lock(&self.saved)).0.show_to(level), json)
            }
            Request::ShowConfig(part) => screens::plain(&part_of(&config, part, selected, level)?, json),
            Request::ShowLog { saved: true, .. } => {
                return Err(Text::new(
                    "the log of before the start is kept by the host: journalctl -u sekisho",
                    "起動前のログはホストにあります: journalctl -u sekisho",
                ));
            }
            Request::ShowLog { reverse, .. } => screens::log(self.log.remembered(), reverse, json),
            Request::ShowArp(interface) => {
                let interface = interface.map(|name| screens::interface_of(&config, &name).unwrap_or(name));
                screens::arp(interface.as_deref(), language, json)?
            }
            Request::ShowIpRoute(which) => screens::routes(&self.calls()?, which, language, json)?,
            Request::ShowConfigList => screens::files(&self.path, json)?,
            Request::ShowUserHistory => screens::past(&lock(&self.past), language, json),
            Request::ShowStatusUser => screens::users(&lock(&self.present).1, who, language, json),
            Request::ShowEnvironment => screens::environment(&self.path, self.started, &config, language, json),
            Request::ShowTechinfo => self.techinfo(language, json)?,
            Request::ShowCommand => screens::plain(&command::commands(language), json),
            Request::ShowCopyright => screens::plain(screens::COPYRIGHT, json),
            Request::Help => screens::plain(screens::help(language), json),
            request => match self.errand(What::Request(request, selected))? {
                Answer::Reply(reply) => text_of(reply, language, json)?,
                Answer::Configured => String::new(),
                Answer::FastPath(Some(done)) if json => screens::json(&fastpath::json(&done)),
                Answer::FastPath(Some(done)) => fastpath::screen(&done, language),
                Answer::FastPath(None) => {
                    let (english, japanese) = fastpath::TOO_BUSY;
                    return Err(Text::new(english, japanese));
                }
            },
        };
        Ok(text)
    }

    /// Every call that stands.
    fn calls(&self) -> Result<Screen, Text> {
        match self.errand(What::Request(Request::ShowStatusPp(None), Scope::Global))? {
            Answer::Reply(Reply::Screen(screen)) => Ok(screen),
            Answer::Reply(Reply::Done(_) | Reply::Refused(_)) | Answer::Configured | Answer::FastPath(_) => {
                Ok(Screen::Pp(vec![]))
            }
        }
    }

    /// Everything that a supporter wants to see, without passwords and keys.
    fn techinfo(&self, language: Language, json: bool) -> Result<String, Text> {
        let mut all = String::new();
        let mut values = serde_json::Map::new();
        for (title, request) in [
            ("show environment", Request::ShowEnvironment),
            ("show config", Request::ShowConfig(Part::All)),
            ("show status l2tp", Request::ShowStatusL2tp(None)),
            ("show status pp", Request::ShowStatusPp(None)),
            ("show status tunnel up", Request::ShowStatusTunnel(command::Tunnels::Up)),
            ("show ipsec sa", Request::ShowIpsecSa(None)),
            ("show status fastpath", Request::ShowStatusFastpath),
            ("show account", Request::ShowAccount(None)),
            ("show ip route", Request::ShowIpRoute(Routes::All)),
            ("show arp", Request::ShowArp(None)),
            ("show status user", Request::ShowStatusUser),
            ("show log", Request::ShowLog { saved: false, reverse: false }),
        ] {
            let text = self.shown(request, Scope::Global, Level::User, language, json, None)?;
            if json {
                values.insert(title.to_owned(), serde_json::from_str(&text).unwrap_or(serde_json::Value::Null));
            } else {
                all.push_str(&format!("# {title}\n{text}\n"));
            }
        }
        Ok(if json { screens::json(&values) } else { all })
    }

    // ---- who is there

    /// An operator has logged in; gives the number.
    pub(crate) fn sit_down(&self, name: Option<String>, stream: Option<UnixStream>) -> u64 {
        let mut present = lock(&self.present);
        present.0 += 1;
        let number = present.0;
        present.1.insert(number, Present::new(name, stream));
        number
    }

    /// An operator has typed something.
    pub(crate) fn heard(&self, number: u64) {
        if let Some(present) = lock(&self.present).1.get_mut(&number) {
            present.heard = Instant::now();
        }
    }

    /// An operator has become administrator, or is one no more.
    pub(crate) fn raise(&self, number: u64, administrator: bool) {
        if let Some(present) = lock(&self.present).1.get_mut(&number) {
            present.administrator = administrator;
        }
    }

    /// An operator has gone.
    pub(crate) fn stand_up(&self, number: u64) {
        let Some(gone) = lock(&self.present).1.remove(&number) else { return };
        let mut past = lock(&self.past);
        past.push_back(gone.ended(number));
        while past.len() > MOST_PAST {
            past.pop_front();
        }
    }

    /// Ends the sessions of an operator, or the one of this number; gives how many there were.
    pub(crate) fn disconnect(&self, name: &str, number: Option<u32>) -> usize {
        let present = lock(&self.present);
        let wanted = present.1.iter().filter(|(at, session)| {
            session.name.as_deref().unwrap_or_default() == name && number.is_none_or(|number| u64::from(number) == **at)
        });
        // The session's own thread then hears the end, and does the rest.
        wanted.filter_map(|(_, session)| session.stream.as_ref()?.shutdown(Shutdown::Both).ok()).count()
    }
}

/// The lines of a part of the configuration.
fn part_of(config: &Config, part: Part, selected: Scope, level: Level) -> Result<String, Text> {
    let numbers = match (part, selected) {
        (Part::All | Part::Saved, _) => return Ok(format!("{}{}", screens::header(), config.show_to(level))),
        (Part::Pp(Some(which)), _) | (Part::Pp(None), Scope::Pp(which)) => match which {
            PpRef::Number(number) => Some((number, number)),
            // The anonymous interface has no number.
            PpRef::Anonymous => Some((0, 0)),
        },
        (Part::Pps(first, last), _) => Some((first, last)),
        (Part::Tunnel { numbers: Some(numbers), .. }, _) => Some(numbers),
        (Part::Tunnel { numbers: None, .. }, Scope::Tunnel(n)) => Some((n, n)),
        (Part::Pp(None) | Part::Tunnel { numbers: None, .. }, _) => None,
    };
    let kind = if matches!(part, Part::Tunnel { .. }) { "tunnel select " } else { "pp select " };
    let whole = match (part, numbers) {
        (Part::Tunnel { expand: true, .. }, Some((first, last))) => {
            let within = config.tunnels.range(first..=last).take(MOST_EXPANDED);
            within.map(|(n, _)| config.show_expanded(*n, level)).collect()
        }
        _ => config.show_to(level),
    };
    let mut lines = String::new();
    let mut inside = None;
    let mut shown = BTreeSet::new();
    for line in whole.lines() {
        if !line.starts_with(' ') {
            let number = line.strip_prefix(kind).map(|number| number.parse().unwrap_or(0));
            let wanted = number.filter(|n| numbers.is_none_or(|(first, last)| (first..=last).contains(n)));
            // What is expanded comes with its source, which is shown once.
            inside = wanted.filter(|n| shown.insert(*n) || inside == Some(*n));
        }
        if inside.is_some() {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    if lines.is_empty() && numbers.is_some() {
        return Err(Text::new(
            "nothing is configured there; see 'show config'",
            "設定がありません。'show config'で確かめてください",
        ));
    }
    Ok(lines)
}
