//! A line to its words: blanks, quotes, escapes, comments.

use crate::text::Text;

/// Characters that mean something outside quotes, and so must be escaped to stand in a word.
const SPECIAL: &str = "?#|>\\'\"";

/// One word of a line, unescaped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// The word without its quotes and escapes.
    pub(crate) text: String,
    /// Column of its first character, counted from 1.
    pub(crate) column: usize,
}

/// Why a line has no words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) column: usize,
    pub(crate) word: String,
    pub(crate) message: Text,
}

/// Splits a line. A backslash makes the next character plain, inside quotes as well, so that every word can be written.
pub(crate) fn words(line: &str) -> Result<Vec<Word>, Unreadable> {
    let chars: Vec<char> = line.chars().collect();
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        match c {
            ' ' | '\t' => at += 1,
            '#' => break,
            _ => {
                let (word, next) = word(&chars, at)?;
                words.push(word);
                at = next;
            }
        }
    }
    Ok(words)
}

fn word(chars: &[char], start: usize) -> Result<(Word, usize), Unreadable> {
    let fault = |column: usize, word: char, english: &str, japanese: &str| Unreadable {
        column: column + 1,
        word: word.to_string(),
        message: Text::new(english, japanese),
    };
    let mut text = String::new();
    let mut quote: Option<(char, usize)> = None;
    let mut at = start;
    while let Some(&c) = chars.get(at) {
        at += 1;
        if c.is_control() && c != '\t' {
            return Err(fault(
                at - 1,
                c.escape_default().next().unwrap_or('\\'),
                "a control character cannot stand here; remove it",
                "制御文字は書けません。消してください",
            ));
        }
        match (c, quote) {
            ('\\', _) => match chars.get(at) {
                Some(next) if !next.is_control() => {
                    text.push(*next);
                    at += 1;
                }
                Some(_) | None => {
                    return Err(fault(
                        at - 1,
                        c,
                        "nothing follows the backslash; write \\\\ for a backslash itself",
                        "\\の後に文字がありません。\\そのものは\\\\と書いてください",
                    ));
                }
            },
            ('\'' | '"', None) => quote = Some((c, at - 1)),
            (_, Some((open, _))) if c == open => quote = None,
            (_, Some(_)) => text.push(c),
            (' ' | '\t', None) => {
                at -= 1;
                break;
            }
            ('\u{3000}', None) => {
                return Err(fault(
                    at - 1,
                    c,
                    "a full-width blank stands here; write a half-width one, or put the word in quotes",
                    "全角の空白があります。半角で書くか、語を引用符で囲んでください",
                ));
            }
            ('?' | '|' | '>', None) => {
                let english = format!("{c} has a meaning of its own; write \\{c} if it belongs to the word");
                let japanese = format!("{c}には特別な意味があります。語の一部なら\\{c}と書いてください");
                return Err(fault(at - 1, c, &english, &japanese));
            }
            (_, None) => text.push(c),
        }
    }
    match quote {
        Some((open, column)) => Err(fault(
            column,
            open,
            &format!("the quotation that begins with {open} does not end; write \\{open} for the character itself"),
            &format!("{open}で始まる引用が閉じていません。文字そのものは\\{open}と書いてください"),
        )),
        None => Ok((Word { text, column: start + 1 }, at)),
    }
}

/// Writes a word so that [`words`] reads it back, in double quotes where it needs them.
pub(crate) fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || SPECIAL.contains(c));
    if plain {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '\\' | '"') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn split(line: &str) -> Vec<String> {
        words(line).unwrap_or_else(|why| panic!("{}", why.message)).into_iter().map(|w| w.text).collect()
    }

    #[test]
    fn blanks_separate_and_comments_end_a_line() {
        assert_eq!(split("  pass \t  * # a comment 'unclosed"), ["pass", "*"]);
        assert!(split("# only a comment").is_empty());
        assert_eq!(split("dial *99***3# a#b #c"), ["dial", "*99***3#", "a#b"], "within a word it stands for itself");
        assert!(split("").is_empty());
    }

    #[test]
    fn every_special_character_can_be_written_in_the_three_ways() {
        for c in ["?", "#", "|", ">"] {
            assert_eq!(split(&format!("a\\{c}b a'{c}'b a\"{c}\"b")), vec![format!("a{c}b"); 3]);
        }
        assert_eq!(
            split(r#"\\ \' "'" \" '"' a\ b a' 'b a" "b """#),
            ["\\", "'", "'", "\"", "\"", "a b", "a b", "a b", ""]
        );
    }

    #[test]
    fn a_word_knows_its_column_in_characters() {
        let found = words("説明 x").unwrap_or_else(|why| panic!("{}", why.message));
        assert_eq!(found.iter().map(|w| w.column).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn what_would_be_misread_is_refused_with_its_column() {
        for (line, column) in [("a 'b", 3), ("a\\", 2), ("show config | grep x", 13), ("a\u{3000}b", 2), ("a\u{7}", 2)]
        {
            assert_eq!(words(line).err().map(|why| why.column), Some(column), "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text in "[^\\p{Cc}]{0,20}") {
            let line = format!("a {} b", quoted(&text));
            prop_assert_eq!(split(&line), vec!["a".to_owned(), text, "b".to_owned()]);
        }

        #[test]
        fn no_line_makes_it_panic(line in ".{0,40}") {
            let _ = words(&line);
        }
    }
}
