//! The people whom a path names: `tickets[].holder.email`, `guardian_email`.

use super::suggest::names::words;
use super::{Path, PathStep};

/// Words for the person whom an event concerns: they differ by the language of a shop only.
#[rustfmt::skip]
const CONCERNED: &[&str] = &[
    "customer", "user", "person", "contact", "profile", "client", "member", "account", "lead", "subscriber", "shopper",
    "consumer", "visitor", "buyer", "purchaser", "kunde", "kunden", "kundin", "nutzer", "benutzer", "kontakt", "mitglied",
    "besteller", "kaufer", "konto", "cliente", "clientes", "usuario", "comprador", "contacto", "utilisateur", "acheteur",
    "utente", "acquirente", "klant", "gebruiker", "klient", "bruger", "bruker", "anvandare", "kund",
];

/// Words for other people, the synonyms of one in a row.
#[rustfmt::skip]
const OTHERS: &[&[&str]] = &[
    &["recipient", "receiver", "consignee", "addressee", "shipping", "ship", "delivery", "empfanger", "destinataire", "destinatario", "ontvanger", "odbiorca", "lieferung"],
    &["sender", "shipper", "consignor", "absender", "expediteur", "remitente", "mittente", "afzender", "remetente"],
    &["guardian", "parent", "mother", "father", "eltern", "mutter", "vater", "tutor", "mere", "pere"],
    &["child", "kid", "minor", "kind", "enfant", "hijo", "bambino", "filho"],
    &["spouse", "partner", "husband", "wife", "ehepartner", "conjoint", "conyuge"],
    &["driver", "chauffeur", "fahrer", "conducteur", "conductor", "autista"],
    &["rider", "courier", "kurier", "livreur"],
    &["passenger", "traveller", "traveler", "passagier", "reisender", "passager", "pasajero", "passeggero"],
    &["companion", "plusone", "begleitung", "begleiter", "accompagnant", "acompanante"],
    &["payer", "payor", "debtor", "zahler", "schuldner", "payeur", "pagador"],
    &["payee", "creditor", "beneficiary", "beneficiaire", "beneficiario", "begunstigter"],
    &["student", "pupil", "learner", "schuler", "eleve", "alumno", "etudiant"],
    &["teacher", "instructor", "trainer", "coach", "lehrer"],
    &["patient", "patientin", "paciente", "paziente"],
    &["doctor", "physician", "nurse", "therapist", "arzt", "arztin", "medecin"],
    &["seller", "vendor", "merchant", "supplier", "verkaufer", "vendeur", "vendedor"],
    &["agent", "broker", "advisor", "adviser", "consultant"],
    &["holder", "cardholder", "inhaber", "titulaire"],
    &["attendee", "participant", "teilnehmer"],
    &["guest", "gast", "invitado"],
    &["host", "gastgeber"],
    &["referrer", "inviter", "recommender"],
    &["referee", "referral", "invitee"],
    &["emergency", "notfall"],
    &["tenant", "renter", "lessee", "mieter"],
    &["landlord", "lessor", "vermieter"],
    &["employee", "mitarbeiter", "worker"],
    &["employer", "manager", "supervisor", "boss"],
    &["owner", "eigentumer"],
    &["applicant", "candidate", "bewerber"],
    &["guarantor", "cosigner", "burge"],
    &["insured", "policyholder", "versicherter"],
    &["donor", "spender"],
    &["witness", "zeuge"],
    &["author", "reporter", "requester"],
    &["assignee", "approver", "reviewer"],
];

/// Returns the people whom a path names, from the outer to the inner.
pub(super) fn named(path: &Path) -> Vec<&'static str> {
    let mut people: Vec<&'static str> = Vec::new();
    for step in path.steps() {
        let PathStep::Name(name) = step else {
            continue;
        };
        for word in words(name).split(' ') {
            if let Some(person) = person(word)
                && people.last() != Some(&person)
            {
                people.push(person);
            }
        }
    }
    people
}

/// Returns whether two paths name people, and not the same: neither path says more about the person of the other.
pub(super) fn differ(one: &[&str], other: &[&str]) -> bool {
    !one.is_empty() && !other.is_empty() && !one.starts_with(other) && !other.starts_with(one)
}

fn person(word: &str) -> Option<&'static str> {
    let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let find = |word: &str| {
        if CONCERNED.contains(&word) {
            return CONCERNED.first().copied();
        }
        OTHERS
            .iter()
            .find(|synonyms| synonyms.contains(&word))
            .and_then(|synonyms| synonyms.first().copied())
    };
    find(word).or_else(|| find(word.strip_suffix('s')?))
}
