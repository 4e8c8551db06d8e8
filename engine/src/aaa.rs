//! Who may come in: the users of the configuration.

use crate::ppp::{Attempt, Proof, Verdict, Why};
use command::User;
use crypto::chap::Shared;
use crypto::{Secret, chap, equal};

/// The name that stands for every name that matches nothing else.
const WILD_CARD: &str = "*";

/// Judges an attempt by the users of `pp auth username`.
///
/// A name is looked up as it was sent, then without a Windows domain before it (`DOMAIN\user`, RFC 2759 §4), then under the
/// wild card.
/// Names and passwords with letters beyond ASCII are tried as UTF-8 and as Latin-1, because clients differ
/// (docs/interop.md).
pub fn check(users: &[User], attempt: &Attempt) -> Verdict {
    let Some(user) = find(users, &attempt.user) else {
        // As much work as for a known user, so that the time taken tells nothing about names.
        let _ = proves(&attempt.proof, "", &attempt.user);
        return Verdict::Reject { why: Why::UnknownUser };
    };
    if matches!(attempt.proof, Proof::MsChapV1 { use_nt: false, .. }) {
        return Verdict::Reject { why: Why::LanManagerOnly };
    }
    match proves(&attempt.proof, &user.password, &attempt.user) {
        // RFC 1994 §2.3: "The secret MUST be at least 1 octet in length"; known configurations have empty ones.
        _ if user.password.is_empty() => Verdict::Reject { why: Why::NoPassword },
        None => Verdict::Reject { why: Why::WrongPassword },
        Some(Fits { authenticator_response, shared }) => {
            let is_wild = user.name == WILD_CARD;
            let name = if is_wild { read(chap::without_domain(&attempt.user)) } else { user.name.clone() };
            // An address under the wild card would be everybody's.
            let address = if is_wild { None } else { user.address };
            Verdict::Accept { user: name, authenticator_response, address, shared }
        }
    }
}

/// Whether a name that was let in is one of the users, or the wild card stands for it.
pub fn knows(users: &[User], name: &str) -> bool {
    users.iter().any(|user| user.name == name || user.name == WILD_CARD)
}

fn find<'a>(users: &'a [User], name: &[u8]) -> Option<&'a User> {
    let named = |name: &[u8]| users.iter().find(|u| u.name != WILD_CARD && readings(&u.name).iter().any(|r| r == name));
    named(name).or_else(|| named(chap::without_domain(name))).or_else(|| users.iter().find(|u| u.name == WILD_CARD))
}

/// A name for people to read: UTF-8, else Latin-1.
fn read(name: &[u8]) -> String {
    match core::str::from_utf8(name) {
        Ok(text) => text.to_owned(),
        Err(_) => name.iter().map(|octet| char::from(*octet)).collect(),
    }
}

/// The octets that clients make of a text: UTF-8, and Latin-1 where that is something else and possible.
fn readings(text: &str) -> Vec<Vec<u8>> {
    let mut all = vec![text.as_bytes().to_vec()];
    if !text.is_ascii() {
        all.extend(text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<u8>>>());
    }
    all
}

/// The texts whose UTF-16 clients hash: the password itself, and its UTF-8 octets each widened to 16 bits (pppd).
fn nt_readings(password: &str) -> Vec<Secret<String>> {
    let mut all = vec![Secret::new(password.to_owned())];
    if !password.is_ascii() {
        all.push(Secret::new(password.bytes().map(char::from).collect()));
    }
    all
}

/// What comes of a proof that fits.
#[derive(Default)]
struct Fits {
    /// What proves the server in turn.
    authenticator_response: Option<String>,
    shared: Option<Shared>,
}

/// Whether the proof fits the password. All readings are tried, in constant time each.
fn proves(proof: &Proof, password: &str, user: &[u8]) -> Option<Fits> {
    match proof {
        Proof::Pap { password: sent } => {
            let fits = readings(password).iter().fold(false, |fits, reading| equal(reading, sent.expose()) | fits);
            fits.then(Fits::default)
        }
        Proof::ChapMd5 { id, challenge, response } => {
            let fits = readings(password)
                .iter()
                .fold(false, |fits, reading| equal(&chap::md5_response(*id, reading, challenge), response) | fits);
            fits.then(Fits::default)
        }
        Proof::MsChapV1 { challenge, nt_response, .. } => {
            let mut answer = None;
            for reading in nt_readings(password) {
                let hash = chap::nt_password_hash(reading.expose());
                if equal(&chap::mschapv1_nt_response(challenge, &hash), nt_response) {
                    let shared = Some(chap::mschapv1_shared(reading.expose(), challenge));
                    answer = Some(Fits { authenticator_response: None, shared });
                }
            }
            answer
        }
        Proof::MsChapV2 { challenge, peer_challenge, nt_response, .. } => {
            // RFC 2759 §8.2 hashes the name without the domain; a client that leaves it there is understood too.
            let names = [chap::without_domain(user), user];
            let mut answer = None;
            for reading in nt_readings(password) {
                let hash = chap::nt_password_hash(reading.expose());
                for name in names {
                    let right = chap::mschapv2_nt_response(challenge, peer_challenge, name, &hash);
                    if equal(&right, nt_response) {
                        answer = Some(Fits {
                            authenticator_response: Some(chap::mschapv2_authenticator_response(
                                &hash,
                                nt_response,
                                peer_challenge,
                                challenge,
                                name,
                            )),
                            shared: Some(chap::mschapv2_shared(&hash, nt_response)),
                        });
                    }
                }
            }
            answer
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

    use super::*;
    use core::net::Ipv4Addr;

    const CHALLENGE: [u8; 16] = [3; 16];
    const PEER: [u8; 16] = [4; 16];

    fn user(name: &str, password: &str) -> User {
        User { name: name.to_owned(), password: password.to_owned().into(), address: None, prefix: None }
    }

    fn pap(name: &[u8], password: &[u8]) -> Attempt {
        Attempt { user: name.to_vec(), proof: Proof::Pap { password: Secret::new(password.to_vec()) } }
    }

    fn md5(name: &[u8], password: &[u8]) -> Attempt {
        let response = chap::md5_response(7, password, &CHALLENGE);
        Attempt { user: name.to_vec(), proof: Proof::ChapMd5 { id: 7, challenge: CHALLENGE.to_vec(), response } }
    }

    fn v1(name: &[u8], password: &str, use_nt: bool) -> Attempt {
        let hash = chap::nt_password_hash(password);
        let nt_response = chap::mschapv1_nt_response(&[5; 8], &hash).to_vec();
        Attempt {
            user: name.to_vec(),
            proof: Proof::MsChapV1 { challenge: [5; 8], lm_response: vec![0; 24], nt_response, use_nt },
        }
    }

    /// A client that sends `name` and hashes `hashed`.
    fn v2(name: &[u8], hashed: &[u8], password: &str) -> Attempt {
        let hash = chap::nt_password_hash(password);
        let nt_response = chap::mschapv2_nt_response(&CHALLENGE, &PEER, hashed, &hash);
        let name = name.to_vec();
        Attempt {
            user: name.clone(),
            proof: Proof::MsChapV2 { challenge: CHALLENGE, peer_challenge: PEER, nt_response, name },
        }
    }

    fn accepted(users: &[User], attempt: &Attempt) -> Option<String> {
        match check(users, attempt) {
            Verdict::Accept { user, .. } => Some(user),
            Verdict::Reject { .. } => None,
        }
    }

    #[test]
    fn each_proof_fits_its_own_password_only() {
        let users = [user("taro", "himitsu"), user("jiro", "other")];
        let right = [
            pap(b"taro", b"himitsu"),
            md5(b"taro", b"himitsu"),
            v1(b"taro", "himitsu", true),
            v2(b"taro", b"taro", "himitsu"),
        ];
        for attempt in right {
            assert_eq!(accepted(&users, &attempt).as_deref(), Some("taro"), "{attempt:?}");
        }
        let wrong =
            [pap(b"taro", b"other"), md5(b"taro", b""), v1(b"taro", "Himitsu", true), v2(b"taro", b"taro", "himitsu ")];
        for attempt in wrong {
            assert_eq!(check(&users, &attempt), Verdict::Reject { why: Why::WrongPassword }, "{attempt:?}");
        }
        assert_eq!(check(&users, &pap(b"Taro", b"himitsu")), Verdict::Reject { why: Why::UnknownUser });
        assert_eq!(check(&[], &v2(b"taro", b"taro", "")), Verdict::Reject { why: Why::UnknownUser });
    }

    #[test]
    fn a_user_with_an_empty_password_is_let_in_by_no_method() {
        let users = [user("taro", ""), user("*", "")];
        for (name, known) in [("taro", "taro"), ("jiro", "the wild card")] {
            let name = name.as_bytes();
            for attempt in [pap(name, b""), md5(name, b""), v1(name, "", true), v2(name, name, ""), pap(name, b"guess")]
            {
                assert_eq!(check(&users, &attempt), Verdict::Reject { why: Why::NoPassword }, "{known}: {attempt:?}");
            }
        }
    }

    #[test]
    fn the_server_proves_itself_in_mschapv2() {
        let Verdict::Accept { authenticator_response: Some(proof), .. } =
            check(&[user("taro", "himitsu")], &v2(b"taro", b"taro", "himitsu"))
        else {
            panic!("accepted with a proof")
        };
        assert_eq!((proof.len(), proof.starts_with("S=")), (42, true));
        assert!(proof.bytes().skip(2).all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)));
    }

    #[test]
    fn the_lan_manager_answer_alone_is_not_enough() {
        let users = [user("taro", "himitsu")];
        assert_eq!(check(&users, &v1(b"taro", "himitsu", false)), Verdict::Reject { why: Why::LanManagerOnly });
    }

    #[test]
    fn a_windows_domain_before_the_name_is_no_part_of_it() {
        let users = [user("taro", "himitsu")];
        assert_eq!(accepted(&users, &v2(b"CORP\\taro", b"taro", "himitsu")).as_deref(), Some("taro"));
        assert_eq!(accepted(&users, &v2(b"CORP\\taro", b"CORP\\taro", "himitsu")).as_deref(), Some("taro"));
        assert_eq!(accepted(&users, &pap(b"CORP\\taro", b"himitsu")).as_deref(), Some("taro"));
        let users = [user("CORP\\taro", "b"), user("taro", "a")];
        assert_eq!(accepted(&users, &v2(b"CORP\\taro", b"taro", "b")).as_deref(), Some("CORP\\taro"));
        assert_eq!(accepted(&users, &pap(b"taro@example.jp", b"a")), None);
    }

    #[test]
    fn the_wild_card_matches_what_nothing_else_matches_and_has_a_password_of_its_own() {
        let mut users = [user("*", "common"), user("taro", "himitsu")];
        users[0].address = Some(Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(accepted(&users, &pap(b"anybody", b"common")).as_deref(), Some("anybody"));
        assert_eq!(accepted(&users, &pap(b"anybody", b"wrong")), None);
        assert_eq!(accepted(&users, &pap(b"taro", b"common")), None, "taro has a password of his own");
        assert!(matches!(check(&users, &pap(b"a", b"common")), Verdict::Accept { address: None, .. }));
    }

    #[test]
    fn letters_beyond_ascii_are_read_as_each_kind_of_client_sends_them() {
        let users = [user("Jörg", "Käse"), user("taro", "秘密")];
        for name in ["Jörg".as_bytes(), b"J\xf6rg"] {
            for password in ["Käse".as_bytes(), b"K\xe4se"] {
                assert_eq!(accepted(&users, &pap(name, password)).as_deref(), Some("Jörg"));
                assert_eq!(accepted(&users, &md5(name, password)).as_deref(), Some("Jörg"));
            }
            let widened: String = "Käse".bytes().map(char::from).collect();
            for password in ["Käse", &widened] {
                assert_eq!(accepted(&users, &v2(name, name, password)).as_deref(), Some("Jörg"));
                assert_eq!(accepted(&users, &v1(name, password, true)).as_deref(), Some("Jörg"));
            }
        }
        assert_eq!(accepted(&users, &pap(b"taro", "秘密".as_bytes())).as_deref(), Some("taro"));
    }

    #[test]
    fn a_users_own_address_comes_with_the_verdict() {
        let own = Ipv4Addr::new(10, 0, 0, 7);
        let users = [User { address: Some(own), ..user("taro", "himitsu") }];
        assert!(
            matches!(check(&users, &pap(b"taro", b"himitsu")), Verdict::Accept { address: Some(a), .. } if a == own)
        );
    }
}
