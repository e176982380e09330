//! Parses linker scripts that replace a library, as glibc's `libc.so`: the files that they name. Supports the commands of such scripts only
//! (ld's manual, "Implicit Linker Scripts"), and opens no file.

/// Returns the files that a script names unconditionally; `None` if the text is no such script.
pub(super) fn inputs(script: &str) -> Option<Vec<String>> {
    let script = without_comments(script)?;
    let spaced = script.replace('(', " ( ").replace(')', " ) ").replace(',', " ");
    let mut files = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut command = "";
    for word in spaced.split_whitespace() {
        match word {
            "(" => open.push(command),
            ")" => {
                open.pop()?;
            }
            _ if !open.is_empty() && open.iter().all(|command| matches!(*command, "GROUP" | "INPUT")) => {
                files.push(word.to_owned());
            }
            _ => {}
        }
        command = word;
        // The word before a nested parenthesis is a command, not a file.
        if word == "(" && open.last() == Some(&"AS_NEEDED") {
            files.pop();
        }
    }
    (open.is_empty() && !files.is_empty()).then_some(files)
}

fn without_comments(script: &str) -> Option<String> {
    let mut rest = script;
    let mut text = String::new();
    while let Some((before, comment)) = rest.split_once("/*") {
        text.push_str(before);
        text.push(' ');
        rest = comment.split_once("*/")?.1;
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glibc_s_script_names_a_library_and_an_archive() {
        let script = "/* GNU ld script\n   Use the shared library */\nOUTPUT_FORMAT(elf64-x86-64)\n\
                      GROUP ( /lib/libc.so.6 /usr/lib/libc_nonshared.a  AS_NEEDED ( /lib64/ld-linux-x86-64.so.2 ) )\n";
        assert_eq!(inputs(script).unwrap(), ["/lib/libc.so.6", "/usr/lib/libc_nonshared.a"]);
        assert_eq!(inputs("INPUT(libc.so.7, -lgcc)").unwrap(), ["libc.so.7", "-lgcc"]);
    }

    #[test]
    fn what_is_no_script_is_none() {
        for text in ["", "\u{7f}ELF", "GROUP ( a", "GROUP a )", "/* GROUP ( a )", "OUTPUT_FORMAT(elf64-x86-64)"] {
            assert_eq!(inputs(text), None, "{text}");
        }
    }
}
