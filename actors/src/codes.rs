//! The stable codes of what is wrong, or worth a remark: one list each, from which the integration guide has its tables.
//!
//! A code is never renamed, and none goes while stored events have it.

use std::fmt;

use serde::{Serialize, Serializer};

/// An enum of codes, each with its text and what the guide says of it.
macro_rules! codes {
    (
        $(#[$about:meta])* $name:ident {
            $($variant:ident $text:literal $($said:literal)+,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[doc = $said])+ $variant,)+
        }

        impl $name {
            /// All of them, in the order of the guide.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// As programs read it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The row of the guide's table, in Markdown.
            #[must_use]
            pub fn row(self) -> String {
                let said: &[&str] = match self { $(Self::$variant => &[$($said),+],)+ };
                format!("| `{self}` | {} |", said.join(" | "))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl From<$name> for String {
            fn from(code: $name) -> Self {
                code.as_str().to_owned()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

codes! {
    /// Of an event: why it was rejected or failed, or what it was warned of. What it means, and what to mend.
    EventCode {
        EventUnknown "event_unknown" "the mapping has no such event" "the sender's `event`, or the mapping; the message names one that is near",
        RequiredMissing "required_missing" "a required field was not sent" "the sender, or `required`",
        WrongType "wrong_type" "a value, or what is on the path to it, is of another type" "the sender, or `path` and `type`",
        NumberOutOfRange "number_out_of_range" "a number is larger than a double can hold (1.8e308)" "the sender",
        EmptyValue "empty_value" "a required field is empty" "the sender",
        ValueTooLong "value_too_long" "longer than 2,048 bytes" "the sender: this is not what the category says",
        ControlCharacter "control_character" "it has a control character, or an identifier has a line break" "the sender",
        InvalidEmail "invalid_email" "no e-mail address, or one at a domain that cannot be" "the sender, or the category",
        InvalidPhoneNumber "invalid_phone_number" "no telephone number, or one without a country code" "the sender, or `defaultRegion`",
        InvalidUrl "invalid_url" "no http or https address" "the sender, or the category",
        InvalidNationalId "invalid_national_id" "no identification number, or its checksum is wrong" "the sender, or the category",
        InvalidDocumentNumber "invalid_document_number" "not letters and digits" "the sender, or the category",
        InvalidBankAccount "invalid_bank_account" "no IBAN, nor a routing number with an account number" "the sender, or the category",
        IbanUnregistered "iban_unregistered" "an IBAN of a country that is not in the IBAN registry" "nothing",
        InvalidPaymentCard "invalid_payment_card" "no card number: 12 to 19 digits with their checksum" "the sender; better, leave it out",
        InvalidDeviceId "invalid_device_id" "no UUID, or all zeros" "the sender, or the category",
        InvalidIpAddress "invalid_ip_address" "no IPv4 or IPv6 address" "the sender, or the category",
        InvalidMacAddress "invalid_mac_address" "not 48 bits in hexadecimal" "the sender, or the category",
        MacAddressLocal "mac_address_local" "a random one, as telephones make: it tells little" "nothing",
        InvalidDateOfBirth "invalid_date_of_birth" "no ISO 8601 date from 1900 to today, or something else than a time behind it" "the sender",
        InvalidPostalCode "invalid_postal_code" "no postal code" "the sender, or the category",
        InvalidCountry "invalid_country" "no ISO 3166-1 alpha-2 code" "the sender",
        InvalidLocation "invalid_location" "no latitude and longitude" "the sender",
        InvalidLanguage "invalid_language" "no BCP 47 tag" "the sender",
        IdentifierShared "identifier_shared" "an identifier leads to somebody who cannot hold the event's others as well; it counted for nothing here" "look for a value that many share, and do not map it",
        MergeRefused "merge_refused" "identifiers lead to several data subjects, who would together hold more values of a category than one person may" "the same",
        TooManyIdentifiers "too_many_identifiers" "more values of a category than one person may hold; none of them links the event" "send one event for each person, or give them the role `other`",
        IdentifierLimitReached "identifier_limit_reached" "the data subject was full, and the identifier was not attached; in events of former versions" "look for a value that many share",
        WeakEvidence "weak_evidence" "without an identifier of its own, the event was attached by three kinds of weak evidence that agree" "the sender: send an identifier",
        TooManyPeople "too_many_people" "more than 100 other people; those beyond are not data subjects of this event" "send several events",
        DuplicateDiffers "duplicate_differs" "a repeat by its personal data, whose other mapped fields differ" "the dedup key: `mapped`, if it is an event of its own",
        BlocklistedValue "blocklisted_value" "a placeholder: it stands for nobody, or for many" "the sender: leave it out. If it is somebody's, the operator's `[allowed]`",
        PasswordReceived "password_received" "a password was sent; nothing of it was kept" "the sender: leave it out",
        ChildrenData "children_data" "data about children: consent may have to come from their parents" "see GDPR, article 8",
        TooManyValues "too_many_values" "more than 1,000 values in one event, or 100,000 elements of arrays" "send several events",
        TooManyNotices "too_many_notices" "more than 100 reasons or warnings; those beyond are counted, not named" "the same as those that are named",
        IntegrationDeleted "integration_deleted" "the integration was deleted before the event was processed" "nothing",
        JsonInvalid "json_invalid" "the body is not JSON after all" "report it: the edge should have refused it",
        ProcessingFailed "processing_failed" "it brought the processing down, alone, again and again" "report it, with the event's id",
    }
}

codes! {
    /// Why a mapping is refused: what to mend.
    MappingCode {
        NameInvalid "name_invalid" "the integration's name: 1 to 200 characters, none of them a control character",
        DataProcessorIdInvalid "data_processor_id_invalid" "1 to 128 letters, digits or any of `- . _ ~ :`",
        DefaultRegionInvalid "default_region_invalid" "an ISO 3166-1 alpha-2 code in capitals, of a region with telephone numbers of its own",
        EventsMissing "events_missing" "name at least one event",
        TooManyEvents "too_many_events" "at most 200: make a second integration",
        EventNameInvalid "event_name_invalid" "1 to 128 characters, none of them a control character",
        EventDuplicate "event_duplicate" "each name once",
        PurposeTooLong "purpose_too_long" "at most 500 characters",
        PurposeInvalid "purpose_invalid" "not the character U+0000",
        DedupWindowInvalid "dedup_window_invalid" "0 (off) to 86,400 seconds",
        TooManyFields "too_many_fields" "at most 500",
        PathInvalid "path_invalid" "the message says what is wrong",
        PathDuplicate "path_duplicate" "map each path once",
        EnvelopeNotPii "envelope_not_pii" "`event` and `triggeredAt` cannot be personal data",
        CategoryUnknown "category_unknown" "see [the categories](categories.md), or `GET /api/v1/taxonomy`; the message names one that may be meant",
        TypeUnsuitable "type_unsuitable" "use `string`",
        ValueInvalid "value_invalid" "of the editor: choose one of its list",
        RoleWithoutPii "role_without_pii" "name the category in `pii`, or leave `role` out",
    }
}

codes! {
    /// What is right in a mapping, and may still not be meant: what to ask yourself.
    DoubtCode {
        RoleUnclear "role_unclear" "a strong category is in an array, or is mapped twice: are these several people? Say whose it is: `role`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: &str = include_str!("../../docs/integration.md");

    /// The rows of the table under this head.
    fn rows(head: &str) -> Vec<&str> {
        let (_, table) = GUIDE.split_once(&format!("\n{head}\n")).unwrap();
        let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
        rows.collect()
    }

    #[test]
    fn the_guide_has_every_code_and_no_other() {
        let events: Vec<_> = EventCode::ALL.iter().map(|code| code.row()).collect();
        assert_eq!(
            rows("| code in `reasons` or `warnings` | means | what to mend |"),
            events
        );
        let mappings: Vec<_> = MappingCode::ALL.iter().map(|code| code.row()).collect();
        assert_eq!(rows("| code | what to mend |"), mappings);
        let doubts: Vec<_> = DoubtCode::ALL.iter().map(|code| code.row()).collect();
        assert_eq!(rows("| code | what to ask yourself |"), doubts);
    }
}
