//! The forms in `kinds/*.txt`, read. `kinds/README.md` describes the notation.

/// A kind of program: what its header and its units may consist of.
#[derive(Debug, Default)]
pub struct Kind {
    pub name: String,
    /// Distinguishes the host's functions that kinds declare, each in its own way.
    pub number: usize,
    /// The only flavours of flags that the kind is for; all if there are none.
    pub only: Vec<String>,
    /// Its programs mean something else in a library for each unit.
    pub whole: bool,
    pub header: String,
    pub files: Vec<(String, String)>,
    pub variants: Vec<Variant>,
}

/// What one unit has of a kind.
#[derive(Debug, Default)]
pub struct Variant {
    pub header: String,
    pub top: String,
    pub body: String,
    pub result: Option<String>,
    pub tail: String,
    pub entry: Option<String>,
}

/// The files, each with its name.
pub const TEXTS: [(&str, &str); 9] = [
    ("names", include_str!("kinds/names.txt")),
    ("macros", include_str!("kinds/macros.txt")),
    ("pragmas", include_str!("kinds/pragmas.txt")),
    ("unit_macros", include_str!("kinds/unit_macros.txt")),
    ("declarations", include_str!("kinds/declarations.txt")),
    ("state", include_str!("kinds/state.txt")),
    ("order", include_str!("kinds/order.txt")),
    ("text", include_str!("kinds/text.txt")),
    ("flags", include_str!("kinds/flags.txt")),
];

enum Section {
    None,
    Header,
    File,
    Unit,
}

/// The kinds of these files, numbered.
pub fn read(texts: &[(&str, &str)]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for (file, text) in texts {
        let mut section = Section::None;
        for (at, line) in text.lines().enumerate() {
            let place = format!("kinds/{file}.txt:{}", at + 1);
            if let Some(rest) = line.strip_prefix("kind ") {
                let mut words = rest.split(' ');
                let name = words.next().unwrap().to_owned();
                assert!(kinds.iter().all(|kind| kind.name != name), "{place}: {name} is there twice");
                let number = kinds.len();
                let (whole, only) = words.partition::<Vec<&str>, _>(|word| *word == "whole");
                let only = only.into_iter().map(str::to_owned).collect();
                kinds.push(Kind { name, number, only, whole: !whole.is_empty(), ..Kind::default() });
                section = Section::None;
            } else if line == "header:" {
                section = Section::Header;
            } else if let Some(name) = line.strip_prefix("file ") {
                let name = name.trim_end_matches(':').to_owned();
                kinds.last_mut().unwrap().files.push((name, String::new()));
                section = Section::File;
            } else if line == "unit:" {
                kinds.last_mut().unwrap().variants.push(Variant::default());
                section = Section::Unit;
            } else {
                let Some(kind) = kinds.last_mut() else { continue };
                read_line(kind, &section, line, &place);
            }
        }
    }
    for kind in &kinds {
        assert!(!kind.variants.is_empty(), "{} has no unit", kind.name);
    }
    kinds
}

fn read_line(kind: &mut Kind, section: &Section, line: &str, place: &str) {
    let add = |text: &mut String, line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    match section {
        Section::None => assert!(line.is_empty() || line.starts_with('#'), "{place}: {line}"),
        Section::Header => add(&mut kind.header, line),
        Section::File => add(&mut kind.files.last_mut().unwrap().1, line),
        Section::Unit => {
            let variant = kind.variants.last_mut().unwrap();
            if let Some(result) = line.strip_prefix("= ") {
                variant.result = Some(result.to_owned());
            } else if let Some(body) = line.strip_prefix("! ") {
                add(&mut variant.body, body);
            } else if let Some(tail) = line.strip_prefix("> ") {
                add(&mut variant.tail, tail);
            } else if let Some(header) = line.strip_prefix("^ ") {
                add(&mut variant.header, header);
            } else if let Some(entry) = line.strip_prefix("@ ") {
                variant.entry = Some(entry.to_owned());
            } else if !line.is_empty() {
                add(&mut variant.top, line);
            }
        }
    }
}
