//! Shorter names between the page's program and its JavaScript.
//!
//! wasm-bindgen ends the name of each function that the program imports with sixteen digits of a hash, which tell crates
//! apart while it works and nothing afterwards. They are in both files, and no compression makes them smaller: of half a
//! megabyte that the page weighs they are five kilobytes.

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What names of wasm-bindgen's begin with.
const MARK: &str = "__w";

/// What the files that Trunk wrote end with. Before it stands the same name with the same hash.
const PROGRAM: &str = "_bg.wasm";

/// Sections of a program, by their numbers.
const IMPORTS: u8 = 2;
const EXPORTS: u8 = 7;

/// Shortens the names in the page of a folder, and gives its two files names that go with what is in them now.
pub(crate) fn page(folder: &Path) -> Result<()> {
    let program = program(folder)?;
    let stem = program.file_name().unwrap_or_default().to_string_lossy().replace(PROGRAM, "");
    let script = folder.join(format!("{stem}.js"));
    let index = folder.join("index.html");
    let text = fs::read_to_string(&script).with_context(|| format!("reading {}", script.display()))?;
    let bytes = fs::read(&program).with_context(|| format!("reading {}", program.display()))?;
    let page = fs::read_to_string(&index).with_context(|| format!("reading {}", index.display()))?;

    let mut names = Names::default();
    let bytes = names.in_program(&bytes).context("this is no program as wasm-bindgen writes it")?;
    let text = names.in_script(&text);
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    hasher.write(text.as_bytes());
    let (name, _) = stem.rsplit_once('-').context("Trunk's files have a hash in their names")?;
    let renamed = format!("{name}-{:016x}", hasher.finish());

    fs::remove_file(&program)?;
    fs::remove_file(&script)?;
    fs::write(folder.join(format!("{renamed}{PROGRAM}")), bytes)?;
    fs::write(folder.join(format!("{renamed}.js")), text)?;
    fs::write(&index, page.replace(&stem, &renamed))?;
    Ok(())
}

fn program(folder: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(PROGRAM) {
            return Ok(path);
        }
    }
    bail!("Trunk left no program in {}", folder.display())
}

/// Long names and the short ones in their places.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    fn short(&mut self, long: &str) -> String {
        if !long.starts_with(MARK) {
            return long.to_owned();
        }
        let next = self.0.len();
        self.0.entry(long.to_owned()).or_insert_with(|| format!("${next}")).clone()
    }

    /// The program with short names; `None` if it cannot be read.
    fn in_program(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (head, mut rest) = bytes.split_at_checked(8)?;
        let mut out = head.to_vec();
        while let Some((&section, behind)) = rest.split_first() {
            let mut reader = Reader(behind);
            let content = reader.counted()?;
            rest = reader.0;
            let content = match section {
                IMPORTS | EXPORTS => self.in_section(section, content)?,
                _ => content.to_vec(),
            };
            out.push(section);
            put_counted(&mut out, &content);
        }
        Some(out)
    }

    fn in_section(&mut self, section: u8, content: &[u8]) -> Option<Vec<u8>> {
        let mut reader = Reader(content);
        let mut out = Vec::new();
        let entries = reader.number()?;
        put_number(&mut out, entries);
        for _ in 0..entries {
            if section == IMPORTS {
                put_counted(&mut out, reader.counted()?);
            }
            let name = self.short(std::str::from_utf8(reader.counted()?).ok()?);
            put_counted(&mut out, name.as_bytes());
            let kind = reader.byte()?;
            // What else can be imported has no number behind its kind, and wasm-bindgen imports functions alone.
            if section == IMPORTS && kind != 0 {
                return None;
            }
            out.push(kind);
            put_number(&mut out, reader.number()?);
        }
        reader.0.is_empty().then_some(out)
    }

    /// The script with short names, and without the space that its lines begin with.
    fn in_script(&self, script: &str) -> String {
        let is_name = |sign: char| sign.is_ascii_alphanumeric() || sign == '_' || sign == '$';
        let mut out = String::with_capacity(script.len());
        for line in script.lines() {
            let mut rest = line.trim_start();
            while let Some(first) = rest.chars().next() {
                let end = match is_name(first) {
                    true => rest.find(|sign| !is_name(sign)),
                    false => rest.find(is_name),
                };
                let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
                out.push_str(self.0.get(word).map_or(word, String::as_str));
                rest = behind;
            }
            out.push('\n');
        }
        out
    }
}

/// Bytes of a program that are still to be read.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number in LEB128, seven bits a byte, the lowest first.
    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in (0..32).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 127) << shift;
            if byte < 128 {
                return Some(number);
            }
        }
        None
    }

    /// As many bytes as the number before them says.
    fn counted(&mut self) -> Option<&'b [u8]> {
        let count = self.number()?;
        let (counted, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(counted)
    }
}

fn put_number(out: &mut Vec<u8>, mut number: usize) {
    while number > 127 {
        // Seven bits.
        out.push((number & 127) as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section of a program.
    fn section(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number];
        put_counted(&mut out, content);
        out
    }

    fn program(import: &str, export: &str) -> Vec<u8> {
        let mut imports = vec![1];
        put_counted(&mut imports, b"./page_bg.js");
        put_counted(&mut imports, import.as_bytes());
        imports.extend([0, 5]);
        let mut exports = vec![2];
        put_counted(&mut exports, b"memory");
        exports.extend([2, 0]);
        put_counted(&mut exports, export.as_bytes());
        exports.extend([0, 0x85, 0x04]);
        let mut all = b"\0asm\x01\0\0\0".to_vec();
        all.extend([section(1, &[0; 200]), section(IMPORTS, &imports), section(EXPORTS, &exports)].concat());
        all
    }

    #[test]
    fn both_files_have_the_same_short_names() {
        let mut names = Names::default();
        let long = program("__wbg_get_5e44e37dd0181a81", "__wbindgen_export2");
        assert_eq!(names.in_program(&long).unwrap(), program("$0", "$1"));
        let script = "const imports = {\n    __wbg_get_5e44e37dd0181a81: function(arg0) {\n        \
            wasm.__wbindgen_export2(__wbindgen_export22);\n";
        let short = "const imports = {\n$0: function(arg0) {\nwasm.$1(__wbindgen_export22);\n";
        assert_eq!(names.in_script(script), short);
    }

    #[test]
    fn what_is_no_program_is_refused() {
        for bytes in [&b""[..], b"\0asm", &program("a", "b")[..220]] {
            assert_eq!(Names::default().in_program(bytes), None);
        }
    }

    #[test]
    fn files_are_called_by_what_is_in_them() {
        let folder = std::env::temp_dir().join(format!("shorten-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("page-abc_bg.wasm"), program("__wbg_a", "__wbg_b")).unwrap();
        fs::write(folder.join("page-abc.js"), "__wbg_a").unwrap();
        fs::write(folder.join("index.html"), "'/page-abc.js' '/page-abc_bg.wasm'").unwrap();
        page(&folder).unwrap();
        let index = fs::read_to_string(folder.join("index.html")).unwrap();
        assert!(!index.contains("abc"), "{index}");
        for name in index.split(' ') {
            assert!(folder.join(name.trim_matches(['\'', '/'])).is_file(), "{name}");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
        fs::remove_dir_all(&folder).unwrap();
    }
}
