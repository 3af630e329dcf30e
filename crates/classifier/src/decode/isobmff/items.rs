//! The items of a file's `meta` box: where their data is, their properties and their references.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Boxes, Code, Contained, Fault, Reader};

/// More items than this are refused. A grid of 256-pixel tiles over 50 megapixels has 763.
const MAX_ITEMS: usize = 4096;
/// More pieces of one item's data than this are refused.
const MAX_EXTENTS: usize = 1024;

/// The items of a file.
pub(in crate::decode) struct Items<'a> {
    file: &'a [u8],
    item_data: &'a [u8],
    primary: u32,
    items: BTreeMap<u32, Entry>,
    properties: Vec<Contained<'a>>,
    references: Vec<Reference>,
}

#[derive(Default)]
struct Entry {
    code: Code,
    location: Location,
    /// Indices into the file's properties, and whether a reader must understand them.
    properties: Vec<(u16, bool)>,
}

#[derive(Default)]
struct Location {
    /// 0: offsets into the file; 1: into the `idat` box.
    construction: u8,
    external: bool,
    extents: Vec<(u64, u64)>,
}

struct Reference {
    code: Code,
    from: u32,
    to: Vec<u32>,
}

/// One item.
#[derive(Clone, Copy)]
pub(in crate::decode) struct Item<'i, 'a> {
    items: &'i Items<'a>,
    id: u32,
    entry: &'i Entry,
}

impl<'a> Items<'a> {
    /// Read the `meta` box of a file; `None` where it has none, or one without a primary item.
    pub(in crate::decode) fn read(file: &'a [u8]) -> Result<Option<Self>, Fault> {
        let Some(mut meta) = top_level(file, *b"meta") else { return Ok(None) };
        meta.version_and_flags()?;
        let Some(mut primary) = meta.boxes().find(*b"pitm")? else { return Ok(None) };
        let (version, _) = primary.version_and_flags()?;
        let mut items = Self {
            file,
            item_data: meta.boxes().find(*b"idat")?.map_or(&[], |data| data.rest()),
            primary: primary.short_or_long(version > 0)?,
            items: BTreeMap::new(),
            properties: Vec::new(),
            references: Vec::new(),
        };
        items.read_types(meta.boxes().need(*b"iinf")?)?;
        items.read_locations(meta.boxes().need(*b"iloc")?)?;
        items.read_properties(meta.boxes().need(*b"iprp")?)?;
        if let Some(references) = meta.boxes().find(*b"iref")? {
            items.read_references(references)?;
        }
        Ok(Some(items))
    }

    /// The item that the file is shown by.
    pub(in crate::decode) fn primary(&self) -> Result<Item<'_, 'a>, Fault> {
        self.item(self.primary)
    }

    fn item(&self, id: u32) -> Result<Item<'_, 'a>, Fault> {
        let entry = self.items.get(&id).ok_or(Fault::Corrupt)?;
        Ok(Item { items: self, id, entry })
    }

    fn read_types(&mut self, mut table: Reader<'a>) -> Result<(), Fault> {
        let (version, _) = table.version_and_flags()?;
        table.short_or_long(version > 0)?; // the count; the boxes are what there is
        for entry in table.boxes() {
            let Contained { code, mut content } = entry?;
            let (version, _) = content.version_and_flags()?;
            if &code != b"infe" || version < 2 {
                continue;
            }
            let id = content.short_or_long(version > 2)?;
            content.u16()?; // protection
            let code = content.code()?;
            self.items.insert(id, Entry { code, ..Entry::default() });
            if self.items.len() > MAX_ITEMS {
                return Err(Fault::Unsupported("more than 4096 items"));
            }
        }
        Ok(())
    }

    fn read_locations(&mut self, mut table: Reader<'a>) -> Result<(), Fault> {
        let (version, _) = table.version_and_flags()?;
        let (high, low) = (table.u8()?, table.u8()?);
        let (offset_size, length_size, base_size) = (high >> 4, high & 15, low >> 4);
        let index_size = if version > 0 { low & 15 } else { 0 };
        if [offset_size, length_size, base_size, index_size].iter().any(|size| *size > 8) {
            return Err(Fault::Corrupt);
        }
        for _ in 0..table.short_or_long(version > 1)? {
            let id = table.short_or_long(version > 1)?;
            let construction = if version > 0 { table.u16()?.to_be_bytes()[1] & 15 } else { 0 };
            let external = table.u16()? != 0;
            let base = table.number(base_size)?;
            let count = usize::from(table.u16()?);
            if count > MAX_EXTENTS {
                return Err(Fault::Unsupported("items in more than 1024 pieces"));
            }
            let mut extents = Vec::new();
            for _ in 0..count {
                table.number(index_size)?;
                let offset = base.checked_add(table.number(offset_size)?).ok_or(Fault::Corrupt)?;
                extents.push((offset, table.number(length_size)?));
            }
            if let Some(entry) = self.items.get_mut(&id) {
                entry.location = Location { construction, external, extents };
            }
        }
        Ok(())
    }

    fn read_properties(&mut self, table: Reader<'a>) -> Result<(), Fault> {
        let container = table.boxes().need(*b"ipco")?;
        self.properties = container.boxes().collect::<Result<_, _>>()?;
        for found in table.boxes() {
            let Contained { code, mut content } = found?;
            if &code != b"ipma" {
                continue;
            }
            let (version, flags) = content.version_and_flags()?;
            for _ in 0..content.u32()? {
                let id = content.short_or_long(version > 0)?;
                let mut properties = Vec::new();
                for _ in 0..content.u8()? {
                    let (index, essential) = if flags & 1 == 1 {
                        let both = content.u16()?;
                        (both & 0x7FFF, both >> 15 == 1)
                    } else {
                        let both = content.u8()?;
                        (u16::from(both & 0x7F), both >> 7 == 1)
                    };
                    // Index 0 stands for no property.
                    if let Some(index) = index.checked_sub(1) {
                        properties.push((index, essential));
                    }
                }
                if let Some(entry) = self.items.get_mut(&id) {
                    entry.properties = properties;
                }
            }
        }
        Ok(())
    }

    fn read_references(&mut self, mut table: Reader<'a>) -> Result<(), Fault> {
        let (version, _) = table.version_and_flags()?;
        let long = version > 0;
        for found in table.boxes() {
            let Contained { code, mut content } = found?;
            let from = content.short_or_long(long)?;
            let count = content.u16()?;
            let to = (0..count).map(|_| content.short_or_long(long)).collect::<Result<_, _>>()?;
            self.references.push(Reference { code, from, to });
        }
        Ok(())
    }
}

impl<'i, 'a> Item<'i, 'a> {
    /// Whether both are the same item.
    pub(in crate::decode) fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// The item's type: of a coded picture its codec.
    pub(in crate::decode) fn code(&self) -> Code {
        self.entry.code
    }

    /// The properties in the order in which they are listed, which is the one that they apply in; with each,
    /// whether a reader must understand it.
    pub(in crate::decode) fn properties(
        &self,
    ) -> impl Iterator<Item = Result<(Contained<'a>, bool), Fault>> + use<'i, 'a> {
        let Self { items, entry, .. } = *self;
        entry.properties.iter().map(move |(index, essential)| {
            let property = items.properties.get(usize::from(*index)).ok_or(Fault::Corrupt)?;
            Ok((*property, *essential))
        })
    }

    /// The content of the first property of this type.
    pub(in crate::decode) fn property(&self, code: Code) -> Result<Option<Reader<'a>>, Fault> {
        for property in self.properties() {
            let (property, _) = property?;
            if property.code == code {
                return Ok(Some(property.content));
            }
        }
        Ok(None)
    }

    /// The items that this one refers to, in order.
    pub(in crate::decode) fn refers_to(&self, code: Code) -> Result<Vec<Self>, Fault> {
        let Self { items, id, .. } = *self;
        let reference = items.references.iter().find(|one| one.code == code && one.from == id);
        let to = reference.map_or(&[][..], |reference| &reference.to);
        to.iter().map(|id| items.item(*id)).collect()
    }

    /// The items that refer to this one.
    pub(in crate::decode) fn referred_from(
        &self,
        code: Code,
    ) -> impl Iterator<Item = Self> + use<'i, 'a> {
        let Self { items, id, .. } = *self;
        let references = items.references.iter();
        references
            .filter(move |one| one.code == code && one.to.contains(&id))
            .filter_map(|one| items.item(one.from).ok())
    }

    /// The item's data; copied only where it is stored in pieces.
    pub(in crate::decode) fn data(&self) -> Result<Cow<'a, [u8]>, Fault> {
        let location = &self.entry.location;
        let source = match location.construction {
            _ if location.external => return Err(Fault::Unsupported("data in another file")),
            0 => self.items.file,
            1 => self.items.item_data,
            _ => return Err(Fault::Unsupported("items made of other items' data")),
        };
        let extent = |(offset, length): (u64, u64)| {
            let start = usize::try_from(offset).ok()?;
            let rest = source.get(start..)?;
            match usize::try_from(length).ok()? {
                0 => Some(rest),
                length => rest.get(..length),
            }
        };
        if let [only] = location.extents[..] {
            return extent(only).map(Cow::Borrowed).ok_or(Fault::Corrupt);
        }
        let mut data = Vec::new();
        for piece in &location.extents {
            data.extend_from_slice(extent(*piece).ok_or(Fault::Corrupt)?);
            if data.len() > source.len() {
                return Err(Fault::Corrupt);
            }
        }
        if data.is_empty() { Err(Fault::Corrupt) } else { Ok(Cow::Owned(data)) }
    }
}

/// The content of the first box of a type at the file's top level. Cameras append data of their own behind
/// the picture, so what cannot be read there is not looked at.
pub(super) fn top_level(file: &[u8], code: Code) -> Option<Reader<'_>> {
    Boxes::new(file)
        .map_while(Result::ok)
        .find(|found| found.code == code)
        .map(|found| found.content)
}
