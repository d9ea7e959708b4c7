//! Common names of fields with personal data, in several languages: lower-case words without accents, as `words` in the
//! module above makes them.

/// Words with which a field's name ends, and the category that they mean. The longest that fits counts. Where one word says
/// too little, what the field is part of must be a person.
#[rustfmt::skip] // A line for each category reads as a table.
pub(in crate::mapping) const NAMES: &[(&str, &[&str])] = &[
    ("user.contact.email", &[
        "email", "e mail", "mail", "email address", "mail address", "email addr", "emailid", "email id", "e post",
        "epost", "e mail adresse", "mail adresse", "mailadresse", "emailadresse", "courriel", "adresse email",
        "adresse mail", "adresse electronique", "correo", "correo electronico", "posta elettronica",
        "indirizzo email", "e mailadres", "emailadres", "endereco de email", "adres email", "adres e mail", "электронная почта", "почта", "メールアトレス", "邮箱", "电子邮件", "이메일"
    ]),
    ("user.contact.phone_number", &[
        "phone", "telephone", "tel", "mobile", "cell", "msisdn", "phone number", "mobile number",
        "telephone number", "phone no", "phone nr", "mobile no", "mobile phone", "cell phone", "cellphone",
        "tel no", "tel nr", "telno", "telnr", "whatsapp", "contact number", "contact no", "telefon",
        "telefonnummer", "handy", "handynummer", "mobil", "mobilnummer", "rufnummer", "mobiltelefon", "telefone",
        "telemovel", "celular", "telefono", "numero de telefono", "movil", "cellulare", "numero di telefono",
        "telephone portable", "numero de telephone", "telefoon", "telefoonnummer", "mobiel", "tlf",
        "numer telefonu", "komorka", "telefonnr", "handynr", "handy nr", "mobilnr", "whatsapp number", "whatsappnumber", "telegram number",
        "mobile phone number", "gsm", "numero telefono", "numero di cellulare", "telefonszam", "телефон", "номер телефона",
        "мобильныи телефон", "電話番号", "電話", "携帯電話", "电话", "电话号码", "手机", "手机号", "手机号码", "전화번호", "휴대폰", "هاتف"
    ]),
    ("user.contact.fax_number", &["fax", "fax number", "telefax", "faxnummer", "numero de fax"]),
    ("user.contact.url", &["profile url", "linkedin", "homepage", "profile link"]),
    ("user.unique_id", &[
        "customer id", "user id", "account id", "member id", "contact id", "subscriber id", "client id", "crm id",
        "customer number", "person id", "customer key", "customer code", "customer ref", "account number",
        "account no", "member number", "user number", "kundennummer", "kundennr", "kunden nr", "kunden id",
        "kundenid", "benutzer id", "nutzer id", "mitgliedsnummer", "numero client", "numero de client",
        "id client", "identifiant client", "id cliente", "numero de cliente", "codice cliente", "numero cliente",
        "klantnummer", "klant id", "kundenummer", "kundnummer", "numer klienta", "id klienta", "loyalty number",
        "loyalty id", "employee id", "employee number", "personalnummer", "matrikelnummer", "kd nr", "kdnr", "kd nummer", "cust id",
        "custid", "cust no", "custno", "cust number", "customer guid", "user guid", "mitgliedsnr", "顧客番号", "会員番号", "客户编号", "회원번호"
    ]),
    ("user.unique_id.pseudonymous", &["anonymous id", "session id", "visitor id", "distinct id", "pseudonym"]),
    ("user.account.username", &[
        "username", "user name", "login", "nickname", "screen name", "handle", "user handle", "login name",
        "loginname", "benutzername", "anmeldename", "nutzername", "nom d utilisateur", "nombre de usuario",
        "nome utente", "nome de usuario", "gebruikersnaam", "brugernavn", "anvandarnamn", "nazwa uzytkownika"
    ]),
    ("user.government_id.national_identification_number", &[
        "ssn", "social security number", "national id", "nino", "pesel", "tax id", "national insurance number",
        "personal number", "social security no", "social insurance number", "national id number",
        "national identification number", "tax number", "tax no", "taxpayer id", "tin", "steuernummer",
        "steuer id", "steueridentifikationsnummer", "sozialversicherungsnummer", "personnummer", "fodselsnummer",
        "cpr nummer", "numero de securite sociale", "nir", "dni", "nif", "cpf", "curp", "codice fiscale", "bsn",
        "burgerservicenummer", "aadhaar", "aadhaar number", "id card number", "personalausweisnummer",
        "ausweisnummer"
    ]),
    ("user.government_id.passport_number", &[
        "passport", "passport number", "passport no", "passport nr", "reisepass", "reisepassnummer", "passnummer",
        "passeport", "numero de passeport", "pasaporte", "passaporto", "paspoort", "paspoortnummer",
        "numer paszportu"
    ]),
    ("user.government_id.drivers_license_number", &[
        "drivers license", "driver license", "driving licence", "license number", "drivers license number",
        "driver license number", "drivers licence", "driving license", "driving licence number", "fuhrerschein",
        "fuhrerscheinnummer", "permis de conduire", "licencia de conducir", "patente di guida", "rijbewijs"
    ]),
    ("user.government_id.vehicle_registration", &[
        "license plate", "number plate", "vehicle registration", "plate number", "registration plate",
        "kennzeichen", "plaque d immatriculation", "matricula", "kenteken"
    ]),
    ("user.financial.bank_account", &[
        "iban", "bank account", "bank account number", "account iban", "iban code", "iban number", "iban nr", "iban no", "kontonummer", "bankverbindung",
        "bankkonto", "compte bancaire", "cuenta bancaria", "conto bancario", "rekeningnummer"
    ]),
    ("user.financial.credit_card", &[
        "card number", "pan", "credit card", "credit card number", "cc number", "card no", "creditcard",
        "payment card", "kreditkarte", "kreditkartennummer", "kartennummer", "carte de credit", "numero de carte",
        "tarjeta de credito", "carta di credito"
    ]),
    ("user.health_and_medical.record_id", &[
        "mrn", "medical record number", "patient id", "patient number", "patient no", "patientennummer",
        "patienten id", "medical record id", "numero de patient"
    ]),
    ("user.health_and_medical.insurance_beneficiary_id", &[
        "insurance number", "insurance id", "policy holder id", "insurance no", "health insurance number",
        "versichertennummer", "versicherungsnummer", "krankenversichertennummer", "policy number"
    ]),
    ("user.device.device_id", &[
        "device id", "idfa", "gaid", "idfv", "advertising id", "device uuid", "device identifier", "gerate id",
        "geraete id"
    ]),
    ("user.device.cookie_id", &["cookie id", "cookie", "ga client id"]),
    ("user.device.ip_address", &[
        "ip", "ip address", "remote addr", "client ip", "remote address", "ip addr", "ipv4", "ipv6", "ip adresse",
        "adresse ip", "direccion ip", "indirizzo ip"
    ]),
    ("user.device.mac_address", &["mac", "mac address", "mac addr", "mac adresse"]),
    ("user.device.user_agent", &["user agent", "useragent"]),
    ("user.name", &[
        "full name", "fullname", "display name", "customer name", "contact name", "recipient name", "card holder",
        "cardholder", "account holder", "complete name", "person name", "vollstandiger name", "vor und nachname",
        "kundenname", "nom complet", "nombre completo", "nome completo", "volledige naam", "imie i nazwisko",
        "fulde navn", "karteninhaber", "kontoinhaber", "titulaire", "фио", "氏名", "お名前", "姓名", "성명"
    ]),
    ("user.name.first", &[
        "first name", "firstname", "given name", "forename", "fname", "first names", "given names", "vorname",
        "vornamen", "prenom", "nombre de pila", "primer nombre", "primeiro nome", "nome di battesimo", "voornaam",
        "fornavn", "fornamn", "imie", "имя"
    ]),
    ("user.name.last", &[
        "last name", "lastname", "surname", "family name", "lname", "last names", "sur name", "second name",
        "nachname", "familienname", "zuname", "nom de famille", "apellido", "apellidos", "cognome", "sobrenome",
        "apelido", "achternaam", "efternavn", "etternavn", "efternamn", "nazwisko", "фамилия"
    ]),
    ("user.demographic.date_of_birth", &[
        "birthday", "birthdate", "birth date", "date of birth", "dob", "born", "birth day", "birthdate utc",
        "date birth", "geburtsdatum", "geburtstag", "geboren", "geboren am", "date de naissance", "naissance",
        "fecha de nacimiento", "fecha nacimiento", "data di nascita", "data de nascimento", "geboortedatum",
        "fodselsdato", "fodelsedatum", "data urodzenia", "bday", "b day", "birth dt", "geb datum", "gebdatum", "geb dat", "gebdat",
        "birth date time", "дата рождения", "生年月日", "出生日期", "생년월일"
    ]),
    ("user.demographic.age_range", &[
        "age", "age range", "age group", "birth year", "year of birth", "birthyear", "geburtsjahr", "annee de naissance", "altersgruppe", "tranche d age", "rango de edad"
    ]),
    ("user.contact.address.street", &[
        "street", "street address", "address line", "address line1", "line1", "address1", "street name",
        "street address1", "street1", "address line 1", "line 1", "address 1", "strasse", "str", "strassenname",
        "hausnummer", "anschrift", "rue", "adresse postale", "calle", "direccion", "indirizzo", "rua", "endereco",
        "straat", "straatnaam", "huisnummer", "gate", "gata", "gade", "ulica"
    ]),
    ("user.contact.address.city", &[
        "city", "town", "locality", "city name", "ort", "stadt", "wohnort", "ville", "commune", "ciudad",
        "localidad", "citta", "comune", "cidade", "woonplaats", "plaats", "miasto", "stad", "poststed"
    ]),
    ("user.contact.address.state", &[
        "state", "region", "province", "county", "federal state", "bundesland", "provincia", "provincie",
        "departement", "estado", "wojewodztwo"
    ]),
    ("user.contact.address.postal_code", &[
        "zip", "zip code", "postcode", "post code", "postal code", "plz", "postal", "zip postal", "postleitzahl",
        "code postal", "codigo postal", "codice postale", "cep", "postnummer", "postnr", "kod pocztowy", "pincode",
        "pin code", "eircode"
    ]),
    ("user.contact.address.country", &[
        "country", "country code", "country iso", "country name", "land", "landercode", "laendercode", "pays",
        "code pays", "pais", "paese", "kraj"
    ]),
    ("user.location.precise", &[
        "coordinates", "geo", "lat lng", "gps", "lat long", "geolocation", "geo location", "gps coordinates",
        "koordinaten", "coordonnees gps", "coordenadas", "coordinate", "lat", "lng", "latitude", "longitude", "geo lat", "geo lng", "geo lon"
    ]),
    ("user.demographic.gender", &[
        "gender", "sex", "geschlecht", "sexe", "genero", "sexo", "sesso", "genere", "geslacht", "plec", "kjonn",
        "kon"
    ]),
    ("user.demographic.language", &[
        "language", "locale", "lang", "preferred language", "sprache", "langue", "idioma", "lingua", "taal",
        "sprak", "sprog", "jezyk"
    ]),
    ("user.demographic.marital_status", &[
        "marital status", "civil status", "familienstand", "etat civil", "situation familiale", "estado civil",
        "stato civile", "burgerlijke staat"
    ]),
    ("user.demographic.race_ethnicity", &["ethnicity", "race", "ethnic origin", "race ethnicity"]),
    ("user.demographic.religious_belief", &[
        "religion", "religious belief", "denomination", "religionszugehorigkeit", "konfession", "religione"
    ]),
    ("user.demographic.political_opinion", &[
        "political opinion", "party membership", "political party", "political affiliation", "parteizugehorigkeit"
    ]),
    ("user.demographic.sexual_orientation", &["sexual orientation"]),
    ("user.health_and_medical", &[
        "diagnosis", "allergies", "medication", "symptoms", "health status", "disability", "diagnoses",
        "medical condition", "medical history", "health condition", "krankheit", "krankheiten", "diagnose",
        "allergien", "behinderung", "diagnostic", "enfermedad"
    ]),
    ("user.biometric", &[
        "fingerprint", "face template", "voice print", "biometric", "face id template", "fingerabdruck",
        "empreinte"
    ]),
    ("user.criminal_history", &[
        "criminal record", "convictions", "criminal history", "vorstrafen", "casier judiciaire"
    ]),
    ("user.job_title", &[
        "job title", "occupation", "job", "position title", "beruf", "berufsbezeichnung", "profession", "puesto",
        "professione", "functie"
    ]),
    ("user.workplace", &[
        "employer", "workplace", "employer name", "arbeitgeber", "employeur", "empleador", "datore di lavoro",
        "werkgever"
    ]),
    ("user.content.private", &[
        "message", "comment", "message body", "note to courier", "free text", "nachricht", "bemerkung",
        "kommentar", "mensaje", "comentario", "messaggio"
    ]),
    ("user.authorization.password", &[
        "password", "passwd", "pwd", "passphrase", "pass word", "passwort", "kennwort", "mot de passe",
        "contrasena", "senha", "parola d ordine", "wachtwoord", "haslo", "losenord", "adgangskode", "passord"
    ]),
    ("user.privacy_preferences", &[
        "consent", "consents", "opt in", "optin", "marketing consent", "newsletter consent", "privacy preferences",
        "einwilligung", "consentement", "consentimiento", "consenso", "toestemming", "gdpr consent"
    ]),
    ("user.health_and_medical.genetic", &["genetic data", "genome", "dna", "genetische daten"]),
    ("user.childrens", &["child data", "kinder", "parental consent", "guardian consent"]),
    ("user.location.imprecise", &["approximate location", "location"]),
    ("user.behavior.purchase_history", &["purchases", "purchase history", "order history", "past orders"]),
    ("user.behavior.browsing_history", &["browsing history", "pages viewed", "visited pages", "page views"]),
];

/// The same for words that mean this only of a person.
#[rustfmt::skip]
pub(in crate::mapping) const OF_A_PERSON: &[(&str, &[&str])] = &[
    ("user.name", &["name", "names", "naam", "navn", "namn", "nom", "nome", "nombre"]),
    ("user.unique_id", &[
        "id", "number", "no", "nr", "uid", "uuid", "guid", "reference", "ref", "key", "code", "nummer", "numero"
    ]),
    ("user.name.first", &["first", "given", "forename"]),
    ("user.name.last", &["last", "family"]),
    ("user.contact.address.street", &["address", "adresse"]),
];

/// Words for categories that are too little in the name of a field.
pub(in crate::mapping) const HINTS: &[(&str, &[&str])] = &[
    ("user.contact.url", &["website", "web site"]),
    ("user.device.device_id", &["device"]),
    (
        "user.health_and_medical.record_id",
        &["medical record", "patient record", "medical records"],
    ),
    ("user.demographic.marital_status", &["marital", "married"]),
    (
        "user.government_id.vehicle_registration",
        &["plate", "licence plate", "plates"],
    ),
    (
        "user.demographic.political_opinion",
        &["politics", "political", "political view", "party"],
    ),
    ("user.demographic.sexual_orientation", &["orientation", "sexuality"]),
    ("user.financial.bank_account", &["bank", "bank details", "account iban"]),
    ("user.financial.credit_card", &["card"]),
    ("user.demographic.religious_belief", &["faith", "belief"]),
    ("user.criminal_history", &["crime", "criminal"]),
    ("user.name", &["middle", "middle name"]),
];

/// Words for a person in a payload.
#[rustfmt::skip]
pub(in crate::mapping) const PEOPLE: &[&str] = &[
    "customer", "user", "person", "contact", "recipient", "subscriber", "employee", "patient", "client",
    "owner", "buyer", "payer", "guest", "member", "applicant", "passenger", "student", "lead", "profile",
    "sender", "participant", "traveller", "traveler", "holder", "cardholder", "attendee", "visitor", "donor",
    "shopper", "consumer", "kunde", "kunden", "kundin", "kaufer", "besteller", "empfanger", "nutzer",
    "benutzer", "kontakt", "mitglied", "mitarbeiter", "gast", "patientin", "cliente", "clientes",
    "utilisateur", "acheteur", "destinataire", "usuario", "comprador", "destinatario", "utente", "acquirente",
    "klant", "gebruiker", "klient", "bruger", "bruker", "anvandare", "kund", "cust",
];

/// Words for an address that belongs to a person whose name is in it.
pub(in crate::mapping) const ADDRESSES: &[&str] = &[
    "shipping",
    "billing",
    "delivery",
    "ship to",
    "bill to",
    "deliver to",
    "shipping address",
    "billing address",
    "delivery address",
    "lieferadresse",
    "rechnungsadresse",
    "lieferanschrift",
    "rechnungsanschrift",
    "lieferung",
    "adresse de livraison",
    "adresse de facturation",
    "livraison",
    "facturation",
    "envio",
    "facturacion",
];
