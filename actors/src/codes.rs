//! The stable codes of faults and warnings, one list for each kind. The integration guide has these lists as tables.
//!
//! A code is never renamed, and stays as long as stored events may have it.

use std::fmt;

use serde::{Serialize, Serializer};

/// Declares an enum of codes, each with its text and its cells in the guide.
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
            /// All codes, in the order of the guide.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the code as programs read it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Returns the row of the guide's table, in Markdown.
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
    /// Reasons and warnings of an event: their meaning, and what to fix.
    EventCode {
        EventUnknown "event_unknown" "the mapping has no such event" "the sender's `event`, or the mapping; the message names a similar event",
        RequiredMissing "required_missing" "a required field was not sent" "the sender, or `required`",
        WrongType "wrong_type" "the value, or a step of the path to it, has another type" "the sender, or `path` and `type`",
        NumberOutOfRange "number_out_of_range" "the number does not fit into a double (1.8e308)" "the sender",
        EmptyValue "empty_value" "a required field is empty" "the sender",
        ValueTooLong "value_too_long" "longer than 2,048 bytes" "the sender: such a value does not fit the category",
        ControlCharacter "control_character" "the value has a control character, or an identifier has a line break" "the sender",
        InvalidEmail "invalid_email" "no e-mail address, or one with an impossible domain" "the sender, or the category",
        InvalidPhoneNumber "invalid_phone_number" "no telephone number, or one without a country code" "the sender, or `defaultRegion`",
        InvalidUrl "invalid_url" "no http or https address" "the sender, or the category",
        InvalidNationalId "invalid_national_id" "no identification number, or its checksum is wrong" "the sender, or the category",
        InvalidDocumentNumber "invalid_document_number" "not letters and digits" "the sender, or the category",
        InvalidBankAccount "invalid_bank_account" "neither an IBAN nor a routing number with an account number" "the sender, or the category",
        IbanUnregistered "iban_unregistered" "an IBAN of a country that is not in the IBAN registry" "nothing",
        InvalidPaymentCard "invalid_payment_card" "no card number: 12 to 19 digits with their checksum" "the sender; better, leave it out",
        InvalidDeviceId "invalid_device_id" "no UUID, or all zeros" "the sender, or the category",
        InvalidIpAddress "invalid_ip_address" "no IPv4 or IPv6 address" "the sender, or the category",
        InvalidMacAddress "invalid_mac_address" "not 48 bits in hexadecimal" "the sender, or the category",
        MacAddressLocal "mac_address_local" "a random address, as telephones generate them: weak evidence" "nothing",
        InvalidDateOfBirth "invalid_date_of_birth" "no ISO 8601 date from 1900 to today, or the date is followed by other text than a time" "the sender",
        InvalidPostalCode "invalid_postal_code" "no postal code" "the sender, or the category",
        InvalidCountry "invalid_country" "no ISO 3166-1 alpha-2 code" "the sender",
        InvalidLocation "invalid_location" "no latitude and longitude" "the sender",
        InvalidLanguage "invalid_language" "no BCP 47 tag" "the sender",
        IdentifierShared "identifier_shared" "an identifier leads to a data subject that cannot hold the event's other identifiers; it counted for nothing here" "look for a value that many people share, and do not map it",
        MergeRefused "merge_refused" "identifiers lead to several data subjects, which together would hold more values of a category than one person may" "the same",
        TooManyIdentifiers "too_many_identifiers" "more values of a category than one person may hold; none of them links the event" "send one event for each person, or map the others with the role `other`",
        IdentifierLimitReached "identifier_limit_reached" "the data subject was full, and the identifier was not attached; in events of former versions" "look for a value that many people share",
        WeakEvidence "weak_evidence" "without an identifier of its own, the event was attached by three kinds of weak evidence that agree" "the sender: send an identifier",
        TooManyPeople "too_many_people" "more than 100 other people; the rest are not data subjects of this event" "send several events",
        DuplicateDiffers "duplicate_differs" "a repeat by its personal data, with other mapped fields that differ" "if it is an event of its own: the dedup key `mapped`",
        BlocklistedValue "blocklisted_value" "a placeholder: it stands for nobody, or for many people" "the sender: leave it out. If it is a real value here, the operator's `[allowed]`",
        PasswordReceived "password_received" "a password was sent; Conduit did not keep it" "the sender: leave it out",
        ChildrenData "children_data" "data about children: consent may have to come from their parents" "see GDPR, article 8",
        TooManyValues "too_many_values" "more than 1,000 values in one event, or 100,000 elements of arrays" "send several events",
        TooManyNotices "too_many_notices" "more than 100 reasons or warnings; the rest are counted, not listed" "the same as the listed ones",
        IntegrationDeleted "integration_deleted" "the integration was deleted before the event was processed" "nothing",
        JsonInvalid "json_invalid" "the body is not JSON" "report it: the endpoint should have refused it",
        ProcessingFailed "processing_failed" "the event alone crashed the processing again and again" "report it, with the event's id",
    }
}

codes! {
    /// Faults of a mapping, which is refused: how to fix them.
    MappingCode {
        NameInvalid "name_invalid" "the integration's name: 1 to 200 characters without control characters",
        DataProcessorIdInvalid "data_processor_id_invalid" "1 to 128 letters, digits or any of `- . _ ~ :`",
        DefaultRegionInvalid "default_region_invalid" "an ISO 3166-1 alpha-2 code in capitals, of a region with telephone numbers of its own",
        EventsMissing "events_missing" "name at least one event",
        TooManyEvents "too_many_events" "at most 200: create a second integration",
        EventNameInvalid "event_name_invalid" "1 to 128 characters without control characters",
        EventDuplicate "event_duplicate" "use each name once",
        PurposeTooLong "purpose_too_long" "at most 500 characters",
        PurposeInvalid "purpose_invalid" "remove the character U+0000",
        DedupWindowInvalid "dedup_window_invalid" "0 (off) to 86,400 seconds",
        TooManyFields "too_many_fields" "at most 500",
        PathInvalid "path_invalid" "see the message",
        PathDuplicate "path_duplicate" "map each path once",
        EnvelopeNotPii "envelope_not_pii" "`event` and `triggeredAt` cannot be personal data",
        CategoryUnknown "category_unknown" "use one of [the categories](categories.md), or of `GET /api/v1/taxonomy`; the message suggests a similar one",
        TypeUnsuitable "type_unsuitable" "use `string`",
        ValueInvalid "value_invalid" "in the editor: choose a value from the list",
        RoleWithoutPii "role_without_pii" "name the category in `pii`, or leave `role` out",
    }
}

codes! {
    /// Doubtful parts of a valid mapping: a question to its author.
    DoubtCode {
        RoleUnclear "role_unclear" "a strong category is in an array, is mapped twice, or is beside another person's: are these several people? Set `role`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: &str = include_str!("../../docs/integration.md");

    /// Returns the rows of the table under this head.
    fn rows(head: &str) -> Vec<&str> {
        let (_, table) = GUIDE.split_once(&format!("\n{head}\n")).unwrap();
        let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
        rows.collect()
    }

    #[test]
    fn the_guide_has_every_code_and_no_other() {
        let events: Vec<_> = EventCode::ALL.iter().map(|code| code.row()).collect();
        assert_eq!(
            rows("| code in `reasons` or `warnings` | meaning | what to fix |"),
            events
        );
        let mappings: Vec<_> = MappingCode::ALL.iter().map(|code| code.row()).collect();
        assert_eq!(rows("| code | how to fix it |"), mappings);
        let doubts: Vec<_> = DoubtCode::ALL.iter().map(|code| code.row()).collect();
        assert_eq!(rows("| code | question |"), doubts);
    }
}
