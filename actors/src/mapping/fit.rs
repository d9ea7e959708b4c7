//! Which JSON types values of a category have.

use super::spec::FieldType;
use crate::taxonomy::Normaliser;

/// Returns whether values of a JSON type can be values of a category.
pub(super) fn fits(normaliser: Normaliser, field_type: FieldType) -> bool {
    match field_type {
        FieldType::String => true,
        FieldType::Timestamp => matches!(
            normaliser,
            Normaliser::BirthDate | Normaliser::Presence | Normaliser::Text
        ),
        FieldType::Integer => matches!(
            normaliser,
            Normaliser::Opaque
                | Normaliser::Phone
                | Normaliser::Document
                | Normaliser::NationalId
                | Normaliser::IssuedNumber
                | Normaliser::PaymentCard
                | Normaliser::PostalCode
                | Normaliser::Text
                | Normaliser::Presence
                | Normaliser::Password
        ),
        FieldType::Number | FieldType::Boolean => {
            matches!(
                normaliser,
                Normaliser::Text | Normaliser::Presence | Normaliser::Password
            )
        }
    }
}
