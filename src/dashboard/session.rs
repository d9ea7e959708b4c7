//! Sessions: sealed into their cookies.
//!
//! A cookie holds the user, the hash of the token, and the times of the session. It is sealed with AES-256-GCM (NIST SP
//! 800-38D) under a key that is derived from the master key. So every node accepts the sessions of every other node, a
//! restart ends none, and there is no memory to fill. A session is valid while its token is: a replaced token, or one
//! of a deleted controller, is found nowhere. A sign-out is remembered here, and in a file of the data directory
//! (`signed-out`), until the session would have ended anyway. Another node accepts a kept copy of the cookie until the
//! session is idle for too long.
//!
//! The sessions are our own code. A session library ends a session by time, and stores a map for it; here the token decides,
//! and no node stores anything.

use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use conduit_actors::ids::{ControllerDid, ControllerId, Timestamp};
use conduit_actors::links::MasterKey;
use conduit_actors::personal::CredentialHash;
use parking_lot::Mutex;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use super::ended::Ended;
use crate::app::Principal;
use crate::app::Services;
use crate::config::DashboardConfig;

const NONCE_BYTES: usize = 12;
/// Sealed cookies are shorter than this: a longer one is not ours.
const MAX_COOKIE_BYTES: usize = 2_048;
/// A cookie is sealed anew when it was not for this long: well before the shortest time after which a session is idle.
const RENEWED_AFTER_MILLIS: i64 = 15_000;

/// One session, as it is sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ticket {
    #[serde(rename = "i")]
    id: u128,
    /// None: the operator.
    #[serde(rename = "c")]
    controller: Option<ControllerDid>,
    #[serde(rename = "t")]
    token: [u8; 32],
    #[serde(rename = "b")]
    began: i64,
    #[serde(rename = "s")]
    seen: i64,
}

/// The key of cookies, and the sessions that have ended early.
pub(super) struct Sessions {
    cookies: Option<LessSafeKey>,
    forms: hmac::Key,
    idle_millis: i64,
    longest_millis: i64,
    ended: Mutex<Ended>,
}

impl Ticket {
    /// Returns the session's id, which stays when its cookie is sealed again.
    pub(super) const fn id(&self) -> u128 {
        self.id
    }
}

impl Sessions {
    /// Creates the sessions. `file` keeps the sessions that have ended early.
    pub(super) fn new(config: &DashboardConfig, master: &MasterKey, file: PathBuf) -> Self {
        let nobody = ControllerId::from_uuid(Uuid::nil());
        let key = |label: &str| master.derive(label, nobody, 1);
        let millis = |seconds| i64::try_from(Duration::from_secs(seconds).as_millis()).unwrap_or(i64::MAX);
        Self {
            cookies: UnboundKey::new(&AES_256_GCM, &key("session-cookie"))
                .ok()
                .map(LessSafeKey::new),
            forms: hmac::Key::new(hmac::HMAC_SHA256, &key("session-form")),
            idle_millis: millis(config.idle_seconds),
            longest_millis: millis(config.session_seconds),
            ended: Mutex::new(Ended::open(file, Timestamp::now())),
        }
    }

    /// Creates a new session.
    pub(super) fn begin(principal: &Principal, token: &CredentialHash, now: Timestamp) -> Ticket {
        Ticket {
            id: Uuid::now_v7().as_u128() ^ u128::from(rand::rng().next_u64()),
            controller: match principal {
                Principal::Operator => None,
                Principal::Controller(did) => Some(did.clone()),
            },
            token: *token.as_bytes(),
            began: now.as_millis(),
            seen: now.as_millis(),
        }
    }

    /// Returns the cookie's value. Returns `None` if the cipher fails.
    pub(super) fn seal(&self, ticket: &Ticket) -> Option<String> {
        let mut nonce = [0; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let mut sealed = serde_json::to_vec(ticket).ok()?;
        let key = self.cookies.as_ref()?;
        let sealing = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(sealing, Aad::empty(), &mut sealed).ok()?;
        Some(BASE64.encode([&nonce[..], &sealed].concat()))
    }

    /// Returns the session in a genuine cookie that has not ended. Returns `None` otherwise. [`Sessions::principal`]
    /// checks whether its token is still valid.
    pub(super) fn open(&self, cookie: &str, now: Timestamp) -> Option<Ticket> {
        self.unseal(cookie).filter(|ticket| self.is_open(ticket, now))
    }

    /// Returns whether a cookie is genuine, ended or not.
    pub(super) fn is_ours(&self, cookie: &str) -> bool {
        self.unseal(cookie).is_some()
    }

    fn unseal(&self, cookie: &str) -> Option<Ticket> {
        if cookie.len() > MAX_COOKIE_BYTES {
            return None;
        }
        let bytes = BASE64.decode(cookie).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let mut sealed = sealed.to_vec();
        let key = self.cookies.as_ref()?;
        let opened = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut sealed)
            .ok()?;
        serde_json::from_slice(opened).ok()
    }

    /// Returns whether a session is active.
    pub(super) fn is_open(&self, ticket: &Ticket, now: Timestamp) -> bool {
        let now = now.as_millis();
        now < ticket.seen.saturating_add(self.idle_millis)
            && now < ticket.began.saturating_add(self.longest_millis)
            && !self.ended.lock().has(ticket.id)
    }

    /// Returns the session to seal again, if its cookie is old enough. Returns `None` otherwise.
    pub(super) fn renewed(ticket: &Ticket, now: Timestamp) -> Option<Ticket> {
        let seen = now.as_millis();
        (seen - ticket.seen >= RENEWED_AFTER_MILLIS).then(|| Ticket { seen, ..ticket.clone() })
    }

    /// Ends a session before its time.
    pub(super) fn end(&self, ticket: &Ticket, now: Timestamp) {
        let until = ticket.began.saturating_add(self.longest_millis);
        self.ended.lock().add(ticket.id, until, now);
    }

    /// Returns the principal of a session. Returns `None` if its token is no longer valid.
    pub(super) fn principal(services: &Services, ticket: &Ticket) -> Option<Principal> {
        let token = CredentialHash::from_bytes(ticket.token);
        match &ticket.controller {
            None => bool::from(token.ct_eq(&services.admin)).then_some(Principal::Operator),
            Some(did) => {
                let owner = services.directory.by_token_hash(&token)?;
                (owner == *did).then_some(Principal::Controller(owner))
            }
        }
    }

    /// Returns a tag that proves a text to be ours.
    pub(super) fn sign(&self, text: &str) -> String {
        BASE64.encode(hmac::sign(&self.forms, text.as_bytes()))
    }

    pub(super) fn is_signed(&self, text: &str, tag: &str) -> bool {
        let tag = BASE64.decode(tag).unwrap_or_default();
        hmac::verify(&self.forms, text.as_bytes(), &tag).is_ok()
    }

    /// Returns the token in the forms of a session, so that no other site can make its browser send one.
    pub(super) fn form_token(&self, ticket: &Ticket) -> String {
        let tag = hmac::sign(&self.forms, &ticket.id.to_be_bytes());
        BASE64.encode(&tag.as_ref()[..18])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Sessions {
        let config = DashboardConfig {
            enabled: true,
            idle_seconds: 60,
            session_seconds: 300,
            max_failures: 1,
            max_live: 1,
            max_live_per_session: 1,
            max_live_per_controller: 1,
        };
        let dir = tempfile::tempdir().unwrap();
        Sessions::new(&config, &MasterKey::new([7; 32]), dir.path().join("signed-out"))
    }

    fn ticket(at: i64) -> Ticket {
        let token = CredentialHash::from_bytes([3; 32]);
        let did = "did:web:shop.example".parse().unwrap();
        Sessions::begin(&Principal::Controller(did), &token, Timestamp::from_millis(at))
    }

    fn after(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_sealed_session_opens_until_it_is_idle_or_old_or_ended() {
        let sessions = sessions();
        let ticket = ticket(0);
        let cookie = sessions.seal(&ticket).unwrap();
        assert!(!cookie.contains("shop"));
        assert_eq!(sessions.open(&cookie, after(59)).unwrap().id, ticket.id);
        assert!(sessions.open(&cookie, after(60)).is_none());
        assert!(sessions.is_ours(&cookie), "whatever has become of it");

        let mut kept = ticket.clone();
        for second in (0..300).step_by(50) {
            kept = Sessions::renewed(&kept, after(second)).unwrap_or(kept);
        }
        let cookie = sessions.seal(&kept).unwrap();
        assert!(sessions.open(&cookie, after(299)).is_some());
        assert!(sessions.open(&cookie, after(300)).is_none());

        sessions.end(&kept, after(270));
        assert!(sessions.open(&cookie, after(271)).is_none());
    }

    #[test]
    fn what_was_tampered_with_or_sealed_elsewhere_does_not_open() {
        let ours = sessions();
        let cookie = ours.seal(&ticket(0)).unwrap();
        let mut other = cookie.clone().into_bytes();
        other[20] = if other[20] == b'A' { b'B' } else { b'A' };
        assert!(ours.open(&String::from_utf8(other).unwrap(), after(1)).is_none());
        for bad in ["", "AAAA", "!", &"A".repeat(5000)] {
            assert!(ours.open(bad, after(1)).is_none() && !ours.is_ours(bad));
        }
        let config = DashboardConfig {
            enabled: true,
            idle_seconds: 60,
            session_seconds: 300,
            max_failures: 1,
            max_live: 1,
            max_live_per_session: 1,
            max_live_per_controller: 1,
        };
        let dir = tempfile::tempdir().unwrap();
        let theirs = Sessions::new(&config, &MasterKey::new([8; 32]), dir.path().join("signed-out"));
        assert!(theirs.open(&cookie, after(1)).is_none());
        assert_ne!(ours.form_token(&ticket(0)), ours.form_token(&ticket(0)));
    }
}
