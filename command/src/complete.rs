//! What may follow the beginning of a line: the console's `?` and TAB, from the table.

use std::collections::BTreeSet;

use crate::lex;
use crate::parse::{Chosen, Filled, choose, keywords, typed};
use crate::table::{Args, Effect, Form, Level, Row, Scope, Standing};
use crate::text::Language;
use crate::value::{Kind, Need, Slot, Value};

/// What TAB does to the beginning of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// What is added to the line: the rest of the word with a blank, or as much as all choices have in common.
    pub added: String,
    /// The words that may stand there, where there are several.
    pub choices: Vec<String>,
}

/// What `?` shows for the beginning of a line: lines of text.
///
/// Directly behind letters it is one line with the words that begin so; behind a blank it is what may follow, and the form,
/// the meaning and the default of the command once its keywords are complete. Nothing for a line that no command begins.
pub fn help(line: &str, scope: Scope, level: Level, language: Language) -> Vec<String> {
    let Some(place) = Place::of(line, scope, level) else { return Vec::new() };
    let words = place.words();
    let mut lines = Vec::new();
    if !place.begun.is_empty() && !words.is_empty() {
        return vec![format!("? {}", words.join(" "))];
    }
    if let Some(row) = place.row {
        lines.extend(explained(row, language));
        let forms: Vec<String> = place.slots().iter().filter_map(|slot| form(slot, language)).collect();
        if !forms.is_empty() {
            lines.push(format!("? {}", forms.join(" ")));
        }
    }
    if place.begun.is_empty() {
        lines.extend(place.following(language));
    }
    lines
}

/// What TAB does behind the beginning of a line.
pub fn complete(line: &str, scope: Scope, level: Level) -> Completion {
    let Some(place) = Place::of(line, scope, level) else { return Completion::default() };
    let words = place.words();
    let begun = place.begun.chars().count();
    let rest = |word: &str| word.chars().skip(begun).collect::<String>();
    match words.as_slice() {
        [] => Completion::default(),
        [one] => {
            let blank = if one.ends_with(['=', '/']) { "" } else { " " };
            Completion { added: rest(one) + blank, choices: Vec::new() }
        }
        [first, others @ ..] => {
            let common = others.iter().fold(first.len(), |most, word| {
                first.bytes().zip(word.bytes()).take(most).take_while(|(a, b)| a == b).count()
            });
            Completion { added: rest(first.get(..common).unwrap_or_default()), choices: words }
        }
    }
}

/// A place in a line, and what has been found before it.
struct Place {
    /// The word before the cursor, as far as it is typed.
    begun: String,
    /// Keywords that may stand here, with the rows that they lead to.
    next: BTreeSet<&'static str>,
    left: Vec<(&'static Row, &'static [&'static str])>,
    depth: usize,
    /// The command whose keywords are complete.
    row: Option<&'static Row>,
    /// How its values are filled so far.
    filled: Option<Filled>,
    /// Whether `no` may stand here.
    no: bool,
    negative: bool,
}

impl Place {
    /// None where what stands before cannot be read, or begins no command.
    fn of(line: &str, scope: Scope, level: Level) -> Option<Self> {
        let mut words = lex::words(line).ok()?;
        let open = line.ends_with([' ', '\t']) && !line.ends_with("\\ ");
        let begun = if open || words.is_empty() { String::new() } else { words.pop()?.text };
        let negative = words.first().is_some_and(|word| word.text.eq_ignore_ascii_case("no"));
        let no = words.is_empty();
        if negative {
            words.remove(0);
        }
        let visible = |row: &Row| {
            row.is_at_home(scope)
                && row.listed
                && (level == Level::Administrator || row.is_for_users())
                && !(negative && matches!(row.effect, Effect::Ask(_)))
                && !(negative && row.form == Form::Do && !matches!(row.effect, Effect::Act(_)))
        };
        let mut left: Vec<(&'static Row, &'static [&'static str])> =
            keywords().filter(|(_, row, _)| visible(row)).map(|(_, row, keywords)| (row, keywords)).collect();
        let mut found: Option<(&'static Row, usize, Option<Value>)> = None;
        let mut named = None;
        let mut depth = 0;
        loop {
            if let Some((row, _)) = left.iter().find(|(_, keywords)| keywords.len() == depth) {
                found = Some((row, depth, named.clone()));
            }
            let Some(word) = words.get(depth) else { break };
            let next: BTreeSet<&'static str> =
                left.iter().filter_map(|(_, keywords)| keywords.get(depth).copied()).collect();
            let Chosen::One(keyword) = choose(&word.text, &next) else {
                // What follows are values.
                left.clear();
                break;
            };
            if keyword == "LAN" {
                named = Some(Value::Text(word.text.to_ascii_lowercase()));
            }
            left.retain(|(_, keywords)| keywords.get(depth) == Some(&keyword));
            depth += 1;
        }
        left.retain(|(_, keywords)| keywords.len() > depth);
        let next: BTreeSet<&'static str> =
            left.iter().filter_map(|(_, keywords)| keywords.get(depth).copied()).collect();
        let (row, filled) = match found {
            Some((row, from, named)) => match Filled::new(row, named, &words, from) {
                Ok(filled) => (Some(row), Some(filled)),
                Err(_) => (None, None),
            },
            None => (None, None),
        };
        (row.is_some() || !next.is_empty()).then_some(Self { begun, next, left, depth, row, filled, no, negative })
    }

    /// The places that the next word may fill, up to the first that must be filled.
    fn slots(&self) -> Vec<&'static Slot> {
        let (Some(row), Some(filled)) = (self.row, &self.filled) else { return Vec::new() };
        let key = match row.form {
            Form::Many(key) if self.negative => key,
            Form::One if self.negative => 0,
            Form::One | Form::Many(_) | Form::Each | Form::Do => row.slots.len(),
        };
        let mut open = Vec::new();
        for (at, slot) in row.slots.iter().enumerate().take(key).skip(filled.next) {
            if matches!(slot.kind, Kind::Named(..)) {
                continue;
            }
            open.push(slot);
            let count = filled.args.get(at).map_or(0, |value| Args(std::slice::from_ref(value)).list(0).len());
            let needed = match slot.need {
                Need::Must => true,
                Need::May => false,
                Need::Several(least, _) => count < least,
            };
            if needed {
                return open;
            }
        }
        let named =
            row.slots.iter().enumerate().take(key).filter(|(at, slot)| {
                matches!(slot.kind, Kind::Named(..)) && filled.args.get(*at) == Some(&Value::Nothing)
            });
        open.extend(named.map(|(_, slot)| slot));
        open
    }

    /// The words that may stand here and begin with what is typed.
    fn words(&self) -> Vec<String> {
        let begun = self.begun.to_ascii_lowercase();
        let mut words: BTreeSet<String> = typed(&self.next).into_iter().map(str::to_owned).collect();
        if self.no {
            words.insert("no".to_owned());
        }
        for slot in self.slots() {
            words.extend(choices(slot.kind, &begun));
        }
        words.retain(|word| word.starts_with(&begun));
        words.into_iter().collect()
    }

    /// Each keyword that may follow, with what its command does where it completes one.
    fn following(&self, language: Language) -> Vec<String> {
        let words = typed(&self.next);
        let width = words.iter().map(|word| word.len()).max().unwrap_or(0);
        let explain = |keyword: &&'static str| {
            let whole = |keywords: &[&'static str]| {
                keywords.len() == self.depth + 1
                    && keywords.last().is_some_and(|last| last == keyword || (*last == "LAN" && *keyword == "lan1"))
            };
            let row = self.left.iter().find(|(_, keywords)| whole(keywords)).map(|(row, _)| row);
            match row {
                Some(row) => format!("  {keyword:width$}  {}", row.help_in(language)),
                None => format!("  {keyword}"),
            }
        };
        words.iter().map(explain).collect()
    }
}

/// The words that a value may be.
fn choices(kind: Kind, begun: &str) -> Vec<String> {
    let of = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match kind {
        Kind::Switch => of(&["on", "off"]),
        Kind::Choice(words)
        | Kind::NumberOr(_, _, words)
        | Kind::Host(_, words)
        | Kind::Net(words)
        | Kind::Net6(words)
        | Kind::Range(words)
        | Kind::OpenNumbers(_, words) => of(words),
        Kind::Group(head, _) => of(&[head]),
        Kind::Interface => of(&["lan1"]),
        Kind::Session => of(&["all", "anonymous"]),
        Kind::Isdn => of(&[]),
        Kind::Tunnels if begun.is_empty() || "tunnel".starts_with(begun) => of(&["tunnel"]),
        Kind::Named(name, inner) => {
            let inside = if begun.starts_with(&format!("{name}=")) { choices(*inner, "") } else { Vec::new() };
            match inside.as_slice() {
                [] => vec![format!("{name}=")],
                _ => inside.into_iter().map(|word| format!("{name}={word}")).collect(),
            }
        }
        Kind::Number(..)
        | Kind::Gateway
        | Kind::Ipv4
        | Kind::Ip
        | Kind::Text(..)
        | Kind::Numbers(_)
        | Kind::Tunnels
        | Kind::Free => Vec::new(),
    }
}

/// The form of a value, such as `COUNT(1..50)`.
fn form(slot: &Slot, language: Language) -> Option<String> {
    let choices = slot.kind.choices();
    let text = match (slot.kind, choices, slot.kind.bounds_in(language)) {
        (Kind::Free, ..) if slot.name == "…" => return None,
        (Kind::Named(name, _), Some(words), _) => format!("{name}={words}"),
        (Kind::Named(name, _), None, Some(bounds)) => format!("{name}={bounds}"),
        (Kind::Number(..), _, Some(bounds)) => format!("{}({bounds})", slot.name),
        (_, Some(words), Some(bounds)) => format!("{}({bounds})|{words}", slot.name),
        (Kind::Switch | Kind::Choice(_), Some(words), None) => words,
        (_, Some(words), None) => format!("{}|{words}", slot.name),
        (_, None, Some(bounds)) => format!("{}({bounds})", slot.name),
        (_, None, None) => slot.name.to_owned(),
    };
    Some(if matches!(slot.need, Need::Must) { text } else { format!("[{text}]") })
}

/// The three paragraphs about a command, and who follows it if this server does not.
fn explained(row: &Row, language: Language) -> Vec<String> {
    let titles = match language {
        Language::English => ["     Format: ", "Description: ", "    Default: ", "       Note: "],
        Language::Japanese => ["    入力形式: ", "        説明: ", "デフォルト値: ", "        注意: "],
    };
    let [form, description, default, note] = titles;
    let mut lines = vec![format!("{form}{}", row.usage()), format!("{description}{}", row.help_in(language))];
    if !row.default.is_empty() {
        lines.push(format!("{default}{}", row.default));
    }
    let standing = match (row.standing, language) {
        (Standing::Effective, _) => None,
        (Standing::Host(english, _), Language::English) => Some(format!("the host's business: {english}")),
        (Standing::Host(_, japanese), Language::Japanese) => Some(format!("ホストの役目です。{japanese}")),
        (Standing::Foreign, Language::English) => Some("not of this product; kept without effect".to_owned()),
        (Standing::Foreign, Language::Japanese) => {
            Some("本製品の対象外です。保存されますが効果はありません".to_owned())
        }
        (Standing::Later, Language::English) => Some("comes later; kept without effect".to_owned()),
        (Standing::Later, Language::Japanese) => Some("まだ効果はありません".to_owned()),
    };
    lines.extend(standing.map(|text| format!("{note}{text}")));
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::config::PpRef;
    use proptest::prelude::*;

    const ADMINISTRATOR: Level = Level::Administrator;

    fn asked(line: &str) -> Vec<String> {
        help(line, Scope::Global, ADMINISTRATOR, Language::English)
    }

    fn tab(line: &str) -> (String, Vec<String>) {
        let done = complete(line, Scope::Global, ADMINISTRATOR);
        (done.added, done.choices)
    }

    #[test]
    fn behind_letters_the_words_that_begin_so_stand_on_one_line() {
        assert_eq!(asked("show status pp"), ["? pp pptp"]);
        assert_eq!(asked("l2tp service o"), ["? off on"]);
        assert_eq!(asked("na"), ["? nat"]);
        assert_eq!(asked("no"), ["? no"]);
        assert_eq!(asked("ipsec ike nat-traversal 1 on f"), ["? force="]);
        assert_eq!(asked("xyzzy"), Vec::<String>::new());
        assert_eq!(asked("xyzzy plugh"), Vec::<String>::new());
    }

    #[test]
    fn behind_a_complete_command_its_form_meaning_and_default_stand() {
        let told = asked("l2tp service ");
        assert_eq!(told[0], "     Format: l2tp service on|off [l2tp|l2tpv3 …]");
        assert!(told[1].starts_with("Description: serve L2TP"), "{told:?}");
        assert_eq!(told[2], "    Default: off");
        let told = help("l2tp service ", Scope::Global, ADMINISTRATOR, Language::Japanese);
        assert_eq!(told[0], "    入力形式: l2tp service on|off [l2tp|l2tpv3 …]");
        assert!(told[1].starts_with("        説明: L2TP機能を使うかどうか"), "{told:?}");
        assert_eq!(told[2], "デフォルト値: off");
        let told = asked("ipsec ike retry 3 ");
        assert_eq!(told.last().unwrap(), "? INTERVAL(1..100)");
    }

    #[test]
    fn behind_a_keyword_what_may_follow_stands_with_its_meaning() {
        let told = asked("show status ");
        assert!(
            told.iter().any(|line| line.trim_start().starts_with("l2tp") && line.contains("L2TP tunnel")),
            "{told:?}"
        );
        let told = help("show status ", Scope::Global, ADMINISTRATOR, Language::Japanese);
        assert!(told.iter().any(|line| line.contains("L2TPの状態を表示する")), "{told:?}");
        assert!(asked("ip ").iter().any(|line| line.trim() == "lan1"), "{:?}", asked("ip "));
    }

    #[test]
    fn a_tab_completes_the_word_or_what_all_choices_have_in_common() {
        assert_eq!(tab("l2tp serv"), ("ice ".to_owned(), vec![]));
        assert_eq!(tab("show status pp"), (String::new(), vec!["pp".to_owned(), "pptp".to_owned()]));
        assert_eq!(tab("ipsec transport t"), ("emplate ".to_owned(), vec![]));
        assert_eq!(tab("ipsec ike nat-traversal 1 on fo"), ("rce=".to_owned(), vec![]));
        assert_eq!(tab("ipsec ike nat-traversal 1 on force=of"), ("f ".to_owned(), vec![]));
        assert_eq!(tab("no l2tp serv"), ("ice ".to_owned(), vec![]));
        assert_eq!(tab("ip LAN1 proxy"), ("arp ".to_owned(), vec![]));
        assert_eq!(tab("l2tp service on "), (String::from("l2tp"), vec!["l2tp".to_owned(), "l2tpv3".to_owned()]));
        assert_eq!(tab("console character ja").0, ".");
        assert_eq!(tab("'unclosed"), (String::new(), vec![]));
    }

    #[test]
    fn commands_of_a_scope_are_offered_where_it_is_selected() {
        let pp = Scope::Pp(PpRef::Anonymous);
        assert_eq!(complete("pp auth req", Scope::Global, ADMINISTRATOR), Completion::default());
        assert_eq!(complete("pp auth req", pp, ADMINISTRATOR).added, "uest ");
        assert_eq!(complete("pp auth request mschap-", pp, ADMINISTRATOR).added, "v2 ");
        assert_eq!(complete("l2tp hostn", Scope::Tunnel(1), ADMINISTRATOR).added, "ame ");
        assert_eq!(complete("l2tp hostn", pp, ADMINISTRATOR), Completion::default());
    }

    #[test]
    fn a_user_is_offered_what_a_user_may_type() {
        let user = |line: &str| complete(line, Scope::Global, Level::User);
        assert_eq!(user("show st").added, "atus ");
        assert_eq!(user("pp sel").added, "ect ");
        assert_eq!(user("l2tp"), Completion::default());
        assert_eq!(user("show conf").added, "ig ");
        assert_eq!(user("sav"), Completion::default());
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "(pp|tunnel|ipsec|ip|no|l2tp|select|[a-z0-9 \\-=/#'\"]){0,40}") {
            for scope in [Scope::Global, Scope::Tunnel(3), Scope::Pp(PpRef::Number(1))] {
                let _ = help(&line, scope, Level::Administrator, Language::Japanese);
                let _ = complete(&line, scope, Level::User);
            }
        }

        /// What TAB adds where one word is possible is taken by `?` as well.
        #[test]
        fn what_is_completed_is_understood(begun in "[a-z]{1,4} ?[a-z]{0,3}") {
            let done = complete(&begun, Scope::Global, Level::Administrator);
            if !done.added.is_empty() && done.choices.is_empty() {
                let line = begun + &done.added;
                prop_assert!(!help(&line, Scope::Global, Level::Administrator, Language::English).is_empty(), "{}", line);
            }
        }
    }
}
