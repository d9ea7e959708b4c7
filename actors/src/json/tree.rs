//! JSON as a tree that borrows from its text.

use std::borrow::Cow;

use super::reader::{Reader, Wrong};
use super::{JsonFault, MAX_TREE_DEPTH, text_of};

/// Members up to which a search from one end to the other is quickest.
const FEW: usize = 16;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// The text of a number.
    Number(&'a str),
    /// A text.
    String(Cow<'a, str>),
    /// Elements.
    Array(Vec<Json<'a>>),
    /// Members.
    Object(Members<'a>),
}

/// The members of an object, in the order in which they were sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Members<'a> {
    all: Vec<(Cow<'a, str>, Json<'a>)>,
    /// Their places in the order of their names, if they are many.
    sorted: Vec<usize>,
}

impl<'a> Members<'a> {
    fn new(all: Vec<(Cow<'a, str>, Json<'a>)>) -> Self {
        let mut sorted = Vec::new();
        if all.len() > FEW {
            sorted.extend(0..all.len());
            sorted.sort_by(|one, other| all[*one].0.cmp(&all[*other].0));
        }
        Self { all, sorted }
    }

    /// Returns the value of this name: the last, if there are several.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        if self.sorted.is_empty() {
            let found = self.all.iter().rfind(|(other, _)| other == name);
            return found.map(|(_, value)| value);
        }
        let behind = self.sorted.partition_point(|place| &*self.all[*place].0 <= name);
        let (other, value) = &self.all[*self.sorted.get(behind.checked_sub(1)?)?];
        (other == name).then_some(value)
    }

    /// Returns names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.all.iter().map(|(name, value)| (&**name, value))
    }
}

impl<'a> Json<'a> {
    /// Reads a body. A byte order mark before it is skipped.
    ///
    /// # Errors
    /// [`JsonFault`], without anything of the body. Names that occur twice are none: see [`super::check`].
    pub fn parse(body: &'a [u8]) -> Result<Self, JsonFault> {
        let mut reader = Reader::new(text_of(body)?);
        let root = value(&mut reader, 0).and_then(|root| reader.end().map(|()| root));
        root.map_err(|wrong| reader.fault(wrong))
    }

    /// Returns whether it is `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Returns its kind, for people.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

fn value<'a>(reader: &mut Reader<'a>, depth: usize) -> Result<Json<'a>, Wrong> {
    match reader.next().ok_or(Wrong::Syntax)? {
        b'"' => Ok(Json::String(reader.string()?)),
        b'{' | b'[' if depth >= MAX_TREE_DEPTH => Err(Wrong::Depth),
        b'{' => object(reader, depth + 1),
        b'[' => array(reader, depth + 1),
        b'-' | b'0'..=b'9' => Ok(Json::Number(reader.number()?)),
        b't' => reader.literal("true").map(|()| Json::Bool(true)),
        b'f' => reader.literal("false").map(|()| Json::Bool(false)),
        b'n' => reader.literal("null").map(|()| Json::Null),
        _ => Err(Wrong::Syntax),
    }
}

fn object<'a>(reader: &mut Reader<'a>, depth: usize) -> Result<Json<'a>, Wrong> {
    reader.step();
    let mut all = Vec::new();
    if reader.next() == Some(b'}') {
        reader.step();
        return Ok(Json::Object(Members::default()));
    }
    loop {
        let name = reader.string()?;
        reader.expect(b':')?;
        all.push((name, value(reader, depth)?));
        match reader.next() {
            Some(b',') => reader.step(),
            Some(b'}') => break,
            _ => return Err(Wrong::Syntax),
        }
    }
    reader.step();
    Ok(Json::Object(Members::new(all)))
}

fn array<'a>(reader: &mut Reader<'a>, depth: usize) -> Result<Json<'a>, Wrong> {
    reader.step();
    let mut all = Vec::new();
    if reader.next() == Some(b']') {
        reader.step();
        return Ok(Json::Array(all));
    }
    loop {
        all.push(value(reader, depth)?);
        match reader.next() {
            Some(b',') => reader.step(),
            Some(b']') => break,
            _ => return Err(Wrong::Syntax),
        }
    }
    reader.step();
    Ok(Json::Array(all))
}
