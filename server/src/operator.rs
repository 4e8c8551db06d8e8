//! An operator's session, on the server's side: logging in, levels, what is selected, and a line at a time.

mod desk;
mod password;
mod screens;
mod store;

pub(crate) use desk::{Answer, Desk, Errand, What};

use std::collections::VecDeque;
use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use command::{Allowed, Fault, Language, Level, Password, PpRef, Problem, Request, Scope, Severity, Text, Typed};
use engine::status::Reply;

use crate::protocol::{self, Asked, LONGEST_ASKED, Manner, Ready, Told};

/// How long a program may take to say how it begins, and to take what it is told.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a script may be silent between two lines.
const SCRIPT: Duration = Duration::from_secs(600);
/// How often a console that shows the log looks for new lines, and how many it shows at once.
const LOOK: Duration = Duration::from_millis(250);
const MOST_LINES: usize = 200;
/// How many lines of a session are remembered.
const REMEMBERED: usize = 100;
/// Wrong passwords until the session ends, and the pause behind each.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Serves one operator to the end.
pub(crate) fn serve(desk: &Desk, stream: UnixStream) {
    // Without credentials nobody is root.
    let user = rustix::net::sockopt::socket_peercred(&stream).map_or(u32::MAX, |peer| peer.uid.as_raw());
    let Ok(reading) = stream.try_clone() else { return };
    let mut session = Session {
        desk,
        reader: BufReader::new(reading),
        stream,
        manner: Manner::Exec,
        json: false,
        is_root: user == 0,
        level: Level::User,
        selected: Scope::Global,
        allowed: Allowed::default(),
        name: None,
        number: None,
        typed: VecDeque::new(),
        told: desk.log.came(),
    };
    // Whoever goes away in the middle of a word has ended.
    let _ = session.run();
    session.leave();
}

/// One operator.
struct Session<'a> {
    desk: &'a Desk,
    reader: BufReader<UnixStream>,
    stream: UnixStream,
    manner: Manner,
    json: bool,
    is_root: bool,
    level: Level,
    selected: Scope,
    allowed: Allowed,
    /// Who logged in, where a name was given.
    name: Option<String>,
    /// The number at the desk, once logged in.
    number: Option<u64>,
    /// What was typed, without secrets.
    typed: VecDeque<String>,
    /// How many lines of the log had come when they were shown last.
    told: u64,
}

/// Whether a line was done, or ends the session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Refused,
    Leaves,
}

/// In the language of the console.
fn both(english: impl Into<String>, japanese: impl Into<String>) -> Text {
    Text::new(english, japanese)
}

impl Session<'_> {
    fn run(&mut self) -> io::Result<()> {
        self.stream.set_write_timeout(Some(PATIENCE))?;
        self.stream.set_read_timeout(Some(PATIENCE))?;
        let Some(Asked::Begin { manner, json }) = protocol::read(&mut self.reader, LONGEST_ASKED)? else {
            return Ok(());
        };
        (self.manner, self.json) = (manner, json);
        match manner {
            Manner::Exec if self.is_root => self.level = Level::Administrator,
            Manner::Exec => {}
            Manner::Console => {
                if !self.log_in()? {
                    return self.tell(&Told::Bye);
                }
                self.say(format!("\nSekisho Rev.{}\n", env!("CARGO_PKG_VERSION")))?;
            }
        }
        let mut done = true;
        self.told = self.desk.log.came();
        loop {
            let ready = self.ready(done);
            self.tell(&Told::Ready(ready))?;
            if self.watch_log(done)? {
                return self.tell(&Told::Bye);
            }
            match self.next()? {
                Some(Asked::Line(line)) => match self.line(&line)? {
                    Outcome::Leaves => return self.tell(&Told::Bye),
                    outcome => done = outcome == Outcome::Done,
                },
                Some(Asked::Complete(line)) => {
                    let completion = command::complete(&line, self.selected, self.level);
                    self.tell(&Told::Completed { added: completion.added, choices: completion.choices })?;
                }
                Some(Asked::Help(line)) => {
                    let lines = command::help(&line, self.selected, self.level, self.language());
                    self.say(lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
                }
                Some(Asked::Begin { .. }) | None => return Ok(()),
            }
        }
    }

    /// The next thing that is asked; none when it ends, or when nothing came for too long.
    fn next(&mut self) -> io::Result<Option<Asked>> {
        self.stream.set_read_timeout(self.patience())?;
        match protocol::read(&mut self.reader, LONGEST_ASKED) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                self.tell(&Told::Bye)?;
                Ok(None)
            }
            other => {
                if let Some(number) = self.number {
                    self.desk.heard(number);
                }
                other
            }
        }
    }

    /// Shows new lines of the log while nothing is typed, where `console info` is on; whether that was for too long.
    fn watch_log(&mut self, done: bool) -> io::Result<bool> {
        let start = std::time::Instant::now();
        while self.manner == Manner::Console && self.reader.buffer().is_empty() && self.desk.config().console.info {
            let (lines, came) = self.desk.log.since(self.told, MOST_LINES);
            self.told = came;
            if !lines.is_empty() {
                let text: String = lines.iter().map(|line| format!("{}: {}\n", line.time, line.text)).collect();
                self.say(text)?;
                let ready = self.ready(done);
                self.tell(&Told::Ready(ready))?;
            }
            let tick = rustix::event::Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK.subsec_nanos()) };
            let mut fds = [rustix::event::PollFd::new(&self.stream, rustix::event::PollFlags::IN)];
            if rustix::event::poll(&mut fds, Some(&tick))? > 0 {
                break;
            }
            if self.patience().is_some_and(|patience| start.elapsed() >= patience) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn patience(&self) -> Option<Duration> {
        let seconds = self.allowed.timer_s.or_else(|| self.desk.config().login.timer_s);
        match self.manner {
            Manner::Exec => Some(SCRIPT),
            Manner::Console => seconds.map(|seconds| Duration::from_secs(u64::from(seconds))),
        }
    }

    fn language(&self) -> Language {
        if self.desk.config().console.japanese { Language::Japanese } else { Language::English }
    }

    fn ready(&self, done: bool) -> Ready {
        let console = &self.desk.config().console;
        let selected = match self.selected {
            Scope::Global => String::new(),
            Scope::Pp(PpRef::Anonymous) => "anonymous".to_owned(),
            Scope::Pp(PpRef::Number(number)) => format!("pp{number}"),
            Scope::Tunnel(number) => format!("tunnel{number}"),
        };
        let sign = match self.level {
            Level::User => "> ",
            Level::Administrator => "# ",
        };
        Ready {
            prompt: format!("{}{selected}{sign}", console.prompt.as_deref().unwrap_or_default()),
            done,
            lines: console.lines,
            columns: console.columns,
            japanese: console.japanese,
        }
    }

    // ---- what is told

    fn tell(&mut self, told: &Told) -> io::Result<()> {
        protocol::write(&mut self.stream, told)
    }

    fn say(&mut self, text: impl Into<String>) -> io::Result<()> {
        self.tell(&Told::Say(text.into()))
    }

    fn refuse(&mut self, line: impl Into<String>) -> io::Result<Outcome> {
        self.tell(&Told::Refuse(line.into()))?;
        Ok(Outcome::Refused)
    }

    /// `Error: …` in the language of the console.
    fn refuse_for(&mut self, why: &Text) -> io::Result<Outcome> {
        let language = self.language();
        self.refuse(format!("{}: {}", Severity::Error.words(language), why.of(language)))
    }

    /// Asks for something; none if the operator has gone.
    fn ask(&mut self, prompt: &str, hidden: bool) -> io::Result<Option<String>> {
        self.tell(&Told::Ask { prompt: prompt.to_owned(), hidden })?;
        match self.next()? {
            Some(Asked::Line(answer)) => Ok(Some(answer)),
            _ => Ok(None),
        }
    }

    // ---- who it is

    /// Whether somebody may come in. Nothing is asked for where nothing is set.
    fn log_in(&mut self) -> io::Result<bool> {
        for _ in 0..TRIES {
            let login = self.desk.config().login.clone();
            let mut granted = login.password.is_none() && login.users.values().all(|user| user.password.is_none());
            self.name = None;
            self.allowed = login.others.clone();
            if !granted {
                let Some(mut given) = self.ask("Password: ", true)? else { return Ok(false) };
                let mut kept = login.password.as_ref();
                if given.is_empty() && !login.users.is_empty() {
                    let Some(name) = self.ask("Username: ", false)? else { return Ok(false) };
                    let Some(secret) = self.ask("Password: ", true)? else { return Ok(false) };
                    given = secret;
                    let user = login.users.get(&name);
                    kept = user.and_then(|user| user.password.as_ref());
                    if let Some(user) = user {
                        self.allowed = user.allowed.clone();
                    }
                    self.name = Some(name);
                }
                // Without a password of their own, those without a name are let in by the empty one.
                granted = match kept {
                    Some(kept) => password::fits(kept, &given),
                    None => self.name.is_none() && given.is_empty(),
                };
            }
            if granted && self.allowed.connection {
                self.number = Some(self.desk.sit_down(self.name.clone(), self.stream.try_clone().ok()));
                self.desk.log.line(format_args!("Login succeeded for {}", self.way()));
                return Ok(true);
            }
            self.desk.log.line(format_args!("Login failed for {}", self.way()));
            std::thread::sleep(PAUSE);
            self.refuse(Fault::IncorrectPassword.line(self.language()))?;
        }
        Ok(false)
    }

    /// How the operator came, as the log names it.
    fn way(&self) -> String {
        match (&self.name, self.manner) {
            (Some(name), _) => format!("Console: {name}"),
            (None, Manner::Console) => "Console".to_owned(),
            (None, Manner::Exec) => "Command".to_owned(),
        }
    }

    fn leave(&self) {
        if let Some(number) = self.number {
            self.desk.stand_up(number);
            self.desk.log.line(format_args!("Logout from {}", self.way()));
        }
    }

    fn become_administrator(&mut self) -> io::Result<Outcome> {
        let kept = self.desk.config().login.administrator.clone();
        let granted = match &kept {
            _ if !self.allowed.administrator => false,
            // A member of a group that root let in is not root.
            None if !self.is_root => {
                return self.refuse_for(&both(
                    "no administrator password is set, so only root becomes administrator; root sets one with \
                     administrator password",
                    "管理者パスワードが設定されていないため、管理者になれるのはrootだけです",
                ));
            }
            None => true,
            Some(kept) => {
                let Some(given) = self.ask("Password: ", true)? else { return Ok(Outcome::Leaves) };
                password::fits(kept, &given)
            }
        };
        if granted {
            self.level = Level::Administrator;
            if let Some(number) = self.number {
                self.desk.raise(number, true);
            }
            self.desk.log.line(format_args!("'administrator' succeeded for {}", self.way()));
            return Ok(Outcome::Done);
        }
        self.desk.log.line(format_args!("'administrator' failed for {}", self.way()));
        std::thread::sleep(PAUSE);
        let fault = if self.allowed.administrator { Fault::IncorrectPassword } else { Fault::AdministratorOnly };
        self.refuse(fault.line(self.language()))
    }

    /// The dialogue of `login password` and `administrator password`.
    fn set_password(&mut self, which: Password) -> io::Result<Outcome> {
        let login = self.desk.config().login.clone();
        let old = match which {
            Password::Login => login.password,
            Password::Administrator => login.administrator,
        };
        if let Some(kept) = old {
            let Some(given) = self.ask("Old_Password: ", true)? else { return Ok(Outcome::Leaves) };
            if !password::fits(&kept, &given) {
                std::thread::sleep(PAUSE);
                return self.refuse(Fault::IncorrectPassword.line(self.language()));
            }
        }
        let Some(one) = self.ask("New_Password: ", true)? else { return Ok(Outcome::Leaves) };
        let Some(two) = self.ask("New_Password: ", true)? else { return Ok(Outcome::Leaves) };
        if one != two {
            return self.refuse_for(&both(
                "the two passwords differ; the old one stays",
                "2回の入力が異なります。パスワードは変わりません",
            ));
        }
        if one.chars().count() > 32 {
            return self.refuse(Fault::OutOfRange.line(self.language()));
        }
        let hash = if one.is_empty() { None } else { password::kept(&one) };
        self.change(&which.line(hash.as_deref()))
    }

    // ---- a line

    fn line(&mut self, line: &str) -> io::Result<Outcome> {
        self.remember(line);
        match command::typed(&self.desk.config(), self.selected, self.level, line) {
            Err(problem) => self.refuse_line(&problem),
            Ok(Typed::Nothing) => Ok(Outcome::Done),
            Ok(Typed::Select(scope)) => {
                self.selected = scope;
                Ok(Outcome::Done)
            }
            Ok(Typed::Ask(request)) => self.request(request),
            Ok(Typed::Password(_)) if self.manner == Manner::Exec => self.refuse_for(&both(
                "a password is asked for at the console only; use 'sekisho console'",
                "パスワードはコンソールでのみ設定できます。'sekisho console'を使ってください",
            )),
            Ok(Typed::Password(which)) => self.set_password(which),
            Ok(Typed::Change { .. }) => self.change(line),
        }
    }

    /// Keeps a line for `show command history`, and logs it where `syslog execute command` asks for it.
    fn remember(&mut self, line: &str) {
        let line = command::loggable(line);
        if line.is_empty() {
            return;
        }
        if self.desk.config().syslog.commands {
            self.desk.log.line(format_args!("{}: {line}", self.way()));
        }
        self.typed.push_back(line);
        while self.typed.len() > REMEMBERED {
            self.typed.pop_front();
        }
    }

    fn refuse_line(&mut self, problem: &Problem) -> io::Result<Outcome> {
        self.refuse(problem.told(self.language()))
    }

    /// Changes the configuration by a line.
    fn change(&mut self, line: &str) -> io::Result<Outcome> {
        match self.desk.change(self.selected, self.level, line) {
            Err(why) => self.refuse_for(&why),
            Ok(told) => {
                let language = self.language();
                for problem in told {
                    self.say(format!("{}\n", problem.told(language)))?;
                }
                Ok(Outcome::Done)
            }
        }
    }

    fn request(&mut self, request: Request) -> io::Result<Outcome> {
        match request {
            Request::Administrator => self.become_administrator(),
            Request::Quit { save } => self.quit(save),
            Request::Save => self.save(),
            Request::Reload => match self.desk.reload() {
                Err(why) => self.refuse_for(&why),
                Ok(()) => Ok(Outcome::Done),
            },
            Request::ShowHistory(latest) => {
                self.say(screens::history(&self.typed, latest, self.json))?;
                Ok(Outcome::Done)
            }
            Request::Elsewhere(how) => self.refuse_for(&how),
            Request::ClearArp => match screens::clear_arp() {
                Err(why) => self.refuse_for(&why),
                Ok(_) => Ok(Outcome::Done),
            },
            Request::DisconnectUser { name, number } => match self.desk.disconnect(&name, number) {
                0 => self.refuse_for(&both(
                    "nobody of that name is there; see 'show status user'",
                    "そのユーザーはいません。'show status user'で確かめてください",
                )),
                _ => Ok(Outcome::Done),
            },
            Request::ClearLog => {
                self.desk.log.clear();
                Ok(Outcome::Done)
            }
            _ => match self.desk.shown(request, self.selected, self.level, self.language(), self.json, self.number) {
                Err(why) => self.refuse_for(&why),
                Ok(text) => {
                    self.say(text)?;
                    Ok(Outcome::Done)
                }
            },
        }
    }

    fn save(&mut self) -> io::Result<Outcome> {
        match self.desk.save(&self.way()) {
            Err(why) => self.refuse_for(&why),
            Ok(path) => {
                let text = both(format!("Saving ... {path} Done .\n"), format!("セーブ中... {path} 終了\n"));
                self.say(text.of(self.language()))?;
                Ok(Outcome::Done)
            }
        }
    }

    /// From administrator to user, from user out.
    fn quit(&mut self, save: bool) -> io::Result<Outcome> {
        if self.manner == Manner::Exec || self.level == Level::User {
            return Ok(Outcome::Leaves);
        }
        let mut wanted = save;
        if !save && self.desk.is_unsaved() {
            let question = both("Save new configuration ? (Y/N)", "新しい設定を保存しますか? (Y/N)");
            let Some(answer) = self.ask(question.of(self.language()), false)? else { return Ok(Outcome::Leaves) };
            wanted = answer.trim().eq_ignore_ascii_case("y");
        }
        if wanted && self.save()? == Outcome::Refused {
            return Ok(Outcome::Refused);
        }
        self.level = Level::User;
        if let Some(number) = self.number {
            self.desk.raise(number, false);
        }
        Ok(Outcome::Done)
    }
}

/// The text of a reply, or why there is none.
fn text_of(reply: Reply, language: Language, json: bool) -> Result<String, Text> {
    match reply {
        Reply::Screen(screen) if json => Ok(screens::json(&screen)),
        Reply::Screen(screen) => Ok(screen.text(engine::status::Look { language, ago: &screens::moment_ago })),
        Reply::Done(text) if json => Ok(screens::json(&serde_json::json!({ "done": text.english }))),
        Reply::Done(text) => Ok(format!("{}\n", text.of(language))),
        Reply::Refused(why) => Err(why),
    }
}
