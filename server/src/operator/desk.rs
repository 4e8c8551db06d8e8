//! What all operators share: the running configuration and the way to change it, its file, the log, who is there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use command::{Config, Language, Level, Part, PpRef, Problem, Request, Scope, Text, Typed};
use engine::status::{Reply, Screen};

use super::screens::{self, Present};
use super::{store, text_of};
use crate::check;
use crate::fastpath;
use crate::log::Log;
use crate::netlink::Netlink;
use crate::wake::Wake;
use crate::worker::Done;

/// How long an operator waits for the control thread.
const PATIENCE: Duration = Duration::from_secs(5);
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
        store::write(&self.path, &text).map_err(|error| {
            Text::new(
                format!("cannot write {path}: {error}; the file is as it was"),
                format!("{path}に書き込めません: {error}。ファイルは元のままです"),
            )
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
            Request::ShowConfig(part) => {
                let lines = part_of(&config, part, selected, level)?;
                if json { screens::json(&lines.lines().collect::<Vec<_>>()) } else { lines }
            }
            Request::ShowLog { reverse } => screens::log(self.log.remembered(), reverse, json),
            Request::ShowArp => screens::arp(language, json)?,
            Request::ShowIpRoute => screens::routes(&self.calls()?, language, json)?,
            Request::ShowStatusUser => screens::users(&lock(&self.present).1, who, language, json),
            Request::ShowEnvironment => screens::environment(&self.path, self.started, &config, language, json),
            Request::ShowTechinfo => self.techinfo(language)?,
            Request::ShowCommand => command::commands(language),
            Request::ShowCopyright => screens::COPYRIGHT.to_owned(),
            Request::Help => screens::help(language),
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
    fn techinfo(&self, language: Language) -> Result<String, Text> {
        let mut all = String::new();
        for (title, request) in [
            ("show environment", Request::ShowEnvironment),
            ("show config", Request::ShowConfig(Part::All)),
            ("show status l2tp", Request::ShowStatusL2tp(None)),
            ("show status pp", Request::ShowStatusPp(None)),
            ("show status tunnel up", Request::ShowStatusTunnel(command::Tunnels::Up)),
            ("show ipsec sa", Request::ShowIpsecSa),
            ("show status fastpath", Request::ShowStatusFastpath),
            ("show account", Request::ShowAccount(None)),
            ("show ip route", Request::ShowIpRoute),
            ("show arp", Request::ShowArp),
            ("show status user", Request::ShowStatusUser),
            ("show log", Request::ShowLog { reverse: false }),
        ] {
            let text = self.shown(request, Scope::Global, Level::User, language, false, None)?;
            all.push_str(&format!("# {title}\n{text}\n"));
        }
        Ok(all)
    }

    // ---- who is there

    /// An operator has logged in; gives the number.
    pub(crate) fn sit_down(&self, name: Option<String>) -> u64 {
        let mut present = lock(&self.present);
        present.0 += 1;
        let number = present.0;
        present.1.insert(number, Present::new(name));
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
        lock(&self.present).1.remove(&number);
    }
}

/// The lines of a part of the configuration.
fn part_of(config: &Config, part: Part, selected: Scope, level: Level) -> Result<String, Text> {
    let wanted = match (part, selected) {
        (Part::All, _) => return Ok(format!("{}{}", screens::header(), config.show_to(level))),
        (Part::Pp(Some(which)), _) | (Part::Pp(None), Scope::Pp(which)) => Some(Scope::Pp(which)),
        (Part::Tunnel { number: Some(n), .. }, _) | (Part::Tunnel { number: None, .. }, Scope::Tunnel(n)) => {
            Some(Scope::Tunnel(n))
        }
        (Part::Pp(None) | Part::Tunnel { number: None, .. }, _) => None,
    };
    let expand = matches!(part, Part::Tunnel { expand: true, .. });
    let head = |scope| match scope {
        Scope::Tunnel(n) => format!("tunnel select {n}"),
        Scope::Pp(PpRef::Number(n)) => format!("pp select {n}"),
        Scope::Pp(PpRef::Anonymous) => "pp select anonymous".to_owned(),
        Scope::Global => String::new(),
    };
    let whole = match wanted {
        Some(Scope::Tunnel(n)) if expand => config.show_expanded(n, level),
        _ => config.show_to(level),
    };
    let mut lines = String::new();
    let mut inside = false;
    let is_kind = |line: &str| match part {
        Part::Pp(_) => line.starts_with("pp select "),
        Part::All | Part::Tunnel { .. } => line.starts_with("tunnel select "),
    };
    for line in whole.lines() {
        if !line.starts_with(' ') {
            inside = is_kind(line) && wanted.is_none_or(|scope| line == head(scope));
        }
        if inside {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    if lines.is_empty() && wanted.is_some() {
        return Err(Text::new(
            "nothing is configured there; see 'show config'",
            "設定がありません。'show config'で確かめてください",
        ));
    }
    Ok(lines)
}
