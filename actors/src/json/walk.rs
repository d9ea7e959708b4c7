//! A walk through a text that checks all of it, and keeps only the requested parts.

use std::borrow::Cow;
use std::collections::HashSet;

use super::reader::{Reader, Wrong};
use super::{JsonFault, MAX_TREE_DEPTH, push_name, text_of};

/// Names in one object up to which a linear search for repeats is quickest.
const FEW_NAMES: usize = 16;
/// Characters of a name that a pointer shows: a sender may put anything there.
const SHOWN_CHARS: usize = 64;

/// A member of the outermost object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// The text of its value.
    pub value: &'a str,
    /// Its value, if that is a text.
    pub text: Option<Cow<'a, str>>,
}

/// Checks a whole body: JSON, and no name twice in an object (RFC 7493).
///
/// # Errors
/// [`JsonFault`].
pub fn check(body: &[u8]) -> Result<(), JsonFault> {
    let mut walk = Walk::new(text_of(body)?, MAX_TREE_DEPTH, true);
    walk.value(None)
        .and_then(|()| walk.reader.end())
        .map_err(|wrong| walk.fault(wrong))
}

/// Returns the members of the object in a body, with their texts. Returns `None` for another value. The inside of
/// members is checked, except for repeated names.
///
/// # Errors
/// [`JsonFault`].
pub fn members(body: &[u8]) -> Result<Option<Vec<Member<'_>>>, JsonFault> {
    let mut walk = Walk::new(text_of(body)?, MAX_TREE_DEPTH, false);
    if walk.reader.next() != Some(b'{') {
        return walk
            .value(None)
            .and_then(|()| walk.reader.end())
            .map(|()| None)
            .map_err(|wrong| walk.fault(wrong));
    }
    let mut all = Vec::new();
    let read = walk.root(|_| true, |member| all.push(member));
    read.map(|()| Some(all)).map_err(|wrong| walk.fault(wrong))
}

/// A step of the way to a value, for the pointer of a repeated name.
#[derive(Clone, Copy)]
pub(crate) struct Step<'p> {
    above: Option<&'p Step<'p>>,
    depth: usize,
    place: Place<'p>,
}

#[derive(Clone, Copy)]
enum Place<'p> {
    Name(&'p str),
    Index(usize),
}

impl<'p> Step<'p> {
    fn below(above: Option<&'p Self>, place: Place<'p>) -> Self {
        let depth = depth(above) + 1;
        Self { above, depth, place }
    }

    fn write(&self, pointer: &mut String) {
        if let Some(above) = self.above {
            above.write(pointer);
        }
        match self.place {
            Place::Name(name) => push_name(pointer, &name.chars().take(SHOWN_CHARS).collect::<String>()),
            Place::Index(index) => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
        }
    }
}

/// Returns the number of objects and arrays around a place.
fn depth(above: Option<&Step<'_>>) -> usize {
    above.map_or(0, |step| step.depth)
}

/// A walk under way.
pub(crate) struct Walk<'a> {
    pub(super) reader: Reader<'a>,
    max_depth: usize,
    checks_names: bool,
}

impl<'a> Walk<'a> {
    pub(crate) const fn new(text: &'a str, max_depth: usize, checks_names: bool) -> Self {
        Self {
            reader: Reader::new(text),
            max_depth,
            checks_names,
        }
    }

    /// Returns the fault that ended it.
    pub(crate) fn fault(&self, wrong: Wrong) -> JsonFault {
        self.reader.fault(wrong)
    }

    /// Returns the first byte that is no white space.
    pub(crate) fn first(&mut self) -> Option<u8> {
        self.reader.next()
    }

    /// Walks through the object that the text is. `keep` says of which of its members the text is wanted.
    pub(crate) fn root(&mut self, keep: impl Fn(&str) -> bool, mut found: impl FnMut(Member<'a>)) -> Result<(), Wrong> {
        let mut names = Names::default();
        self.object(|walk, name| {
            let name = names.add(name, walk.checks_names, None)?;
            let place = Step::below(None, Place::Name(&name));
            walk.reader.next();
            let start = walk.reader.at();
            if !keep(&name) {
                return walk.value(Some(&place));
            }
            let text = match walk.reader.next() {
                Some(b'"') => Some(walk.reader.string()?),
                _ => {
                    walk.value(Some(&place))?;
                    None
                }
            };
            let value = walk.reader.since(start);
            found(Member { name, value, text });
            Ok(())
        })?;
        self.reader.end()
    }

    /// Walks through any value. `above` is where it is.
    pub(crate) fn value(&mut self, above: Option<&Step<'_>>) -> Result<(), Wrong> {
        match self.reader.next().ok_or(Wrong::Syntax)? {
            b'"' => self.reader.skip_string(),
            b'{' | b'[' if depth(above) >= self.max_depth => Err(Wrong::Depth),
            b'{' => {
                let mut names = Names::default();
                self.object(|walk, name| {
                    let name = names.add(name, walk.checks_names, above)?;
                    walk.value(Some(&Step::below(above, Place::Name(&name))))
                })
            }
            b'[' => self.array(above),
            b'-' | b'0'..=b'9' => self.reader.number().map(drop),
            b't' => self.reader.literal("true"),
            b'f' => self.reader.literal("false"),
            b'n' => self.reader.literal("null"),
            _ => Err(Wrong::Syntax),
        }
    }

    /// Walks through an object; `member` through the value behind each name.
    fn object(&mut self, mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Wrong>) -> Result<(), Wrong> {
        self.reader.step();
        if self.reader.next() == Some(b'}') {
            self.reader.step();
            return Ok(());
        }
        loop {
            let name = self.reader.string()?;
            self.reader.expect(b':')?;
            member(self, name)?;
            match self.reader.next() {
                Some(b',') => self.reader.step(),
                Some(b'}') => break,
                _ => return Err(Wrong::Syntax),
            }
        }
        self.reader.step();
        Ok(())
    }

    fn array(&mut self, above: Option<&Step<'_>>) -> Result<(), Wrong> {
        self.reader.step();
        if self.reader.next() == Some(b']') {
            self.reader.step();
            return Ok(());
        }
        for index in 0.. {
            self.value(Some(&Step::below(above, Place::Index(index))))?;
            match self.reader.next() {
                Some(b',') => self.reader.step(),
                Some(b']') => break,
                _ => return Err(Wrong::Syntax),
            }
        }
        self.reader.step();
        Ok(())
    }
}

/// The names of one object so far: borrowed from the body, unless they are escaped there.
#[derive(Default)]
struct Names<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    /// Takes a name, and gives it back, unless it was there before.
    fn add(&mut self, name: Cow<'a, str>, is_checked: bool, above: Option<&Step<'_>>) -> Result<Cow<'a, str>, Wrong> {
        if !is_checked {
            return Ok(name);
        }
        if self.few.contains(&name) || self.many.contains(&name) {
            let mut pointer = String::new();
            Step::below(above, Place::Name(&name)).write(&mut pointer);
            return Err(Wrong::Repeated(pointer));
        }
        if self.few.len() >= FEW_NAMES {
            self.many.insert(name.clone());
        } else {
            self.few.push(name.clone());
        }
        Ok(name)
    }
}
