//! Words that stand for nobody.

use super::compound::{self, Roles};
use super::list::List;

/// The words of the taxonomy file, by their use.
#[derive(Debug, Default)]
pub(in crate::taxonomy) struct Words {
    identifiers: List,
    names: List,
    /// The roles beside a placeholder word: `unknown user`.
    roles: Roles,
}

impl Words {
    pub(in crate::taxonomy) fn new(identifiers: &[String], names: &[String], roles: &[String]) -> Self {
        Self {
            identifiers: List::new(identifiers),
            names: List::new(names),
            roles: Roles::new(roles),
        }
    }

    /// Returns whether it is a word in place of an identifier.
    pub(super) fn is_identifier_word(&self, value: &str) -> bool {
        self.identifiers.contains(value) || compound::is_identifier(&self.identifiers, &self.roles, value)
    }

    /// Returns whether it is a word that is nobody's name: a surname may be Null, but is not `null null`.
    pub(super) fn is_name_word(&self, value: &str) -> bool {
        self.names.contains(value)
            || self.identifiers.repeats(value)
            || compound::is_name(&self.names, &self.roles, value)
    }

    /// Returns all words, as the file has them: links of earlier builds may have been made from them.
    pub(in crate::taxonomy) fn all(&self) -> impl Iterator<Item = &str> {
        self.identifiers
            .exact
            .iter()
            .chain(&self.names.exact)
            .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn words_in_many_languages() {
        let nobody = [
            "해당 없음",
            "해당없음",
            "non applicabile",
            "Non Applicabile",
            "não se aplica",
            "NAO SE APLICA",
            "okänt",
            "ΑΓΝΩΣΤΟ",
            "정보 없음",
            "비회원",
            "не определено",
            "Не определено",
            "н.д.",
            "Н. Д.",
            "Non spécifié",
            "NON SPECIFIE",
            "indéfini",
            "INDEFINI",
            "no definido",
            "onbekende klant",
            "ohne Angabe",
            "entfällt",
            "uppgift saknas",
            "není k dispozici",
            "غير محدد",
            "زائر",
            "לא זמין",
            "ไม่ระบุ",
            "không xác định",
            "tidak tersedia",
            "未提供",
        ];
        check(
            "user.unique_id",
            &["Bos", "gosta", "neurin", "fehlberg", "mangler-7", "khachik"],
            &nobody,
        );
        let somebody = [
            "Gast",
            "Leer",
            "Ohne",
            "Инген",
            "Bos",
            "Gosta",
            "Khách",
            "Host",
            "Brak",
            "Zadan",
        ];
        check("user.name", &somebody, &nobody);
        check("user.name.last", &somebody, &nobody);
    }
}
