//! Documents and edits made from bytes: the same bytes give the same pair of packages, and any bytes give one.
//!
//! The property tests feed it numbers from a seed, the fuzzer what it likes. It knows nothing of the comparison.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

const WORD: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const WORDS: [&str; 24] = [
    "contratada",
    "contratante",
    "prazo",
    "de",
    "30 dias",
    "R$ 1.234,56",
    "multa,",
    "objeto.",
    "a",
    "CLÁUSULA",
    "pagamento",
    "(dez)",
    "14.133/2021",
    "não",
    "poderá",
    "rescindir",
    "{{TAG-foro}}",
    "<b>",
    "&amp",
    "\u{a0}",
    "será",
    "devida",
    "—",
    "anexo",
];
/// What one document may hold, so that an input of any length is compared in moments.
const MOST_BLOCKS: usize = 60;
const MOST_PIECES: usize = 24;

/// Bytes that are read one by one; past their end there are zeros.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn next(&mut self) -> usize {
        usize::from(self.byte())
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() % end.max(1)
    }
}

#[derive(Debug, Clone)]
enum Piece {
    Words(String, u8),
    Footnote(String),
    Endnote(String),
    Comment(String),
    Box(Vec<String>),
    Link(u8, String),
    Picture(u8),
    Deleted(String),
    Inserted(String),
    Break,
}

type Text = Vec<Piece>;

#[derive(Debug, Clone)]
enum Block {
    Paragraph(Text),
    /// Rows of cells; a cell holds one paragraph or more.
    Table(Vec<Vec<Vec<Text>>>),
}

#[derive(Debug, Clone)]
struct Draft {
    blocks: Vec<Block>,
    header: Option<String>,
}

/// Two packages: a document, and the same one after some edits.
#[must_use]
pub(crate) fn pair(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut head = Source(bytes);
    let cut = head.next() * bytes.len() / 256;
    let (first, second) = head.0.split_at(cut.min(head.0.len()));
    let old = draft(&mut Source(first));
    let mut new = old.clone();
    let mut edits = Source(second);
    for _ in 0..32 {
        if edits.0.is_empty() {
            break;
        }
        edit(&mut new, &mut edits);
    }
    (package(&old), package(&new))
}

/// Bytes from a seed (`SplitMix64`, of Steele, Lea and Flood, 2014), `count` of them.
#[must_use]
pub(crate) fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    (0..count).map(|_| next().to_le_bytes()[0]).collect()
}

fn draft(source: &mut Source<'_>) -> Draft {
    let header = (source.next() % 3 == 1).then(|| words(source));
    let mut blocks = Vec::new();
    while !source.0.is_empty() && blocks.len() < MOST_BLOCKS {
        blocks.push(block(source));
    }
    Draft { blocks, header }
}

fn block(source: &mut Source<'_>) -> Block {
    if source.next() % 5 != 4 {
        return Block::Paragraph(text(source));
    }
    let (rows, columns) = (1 + source.below(4), 1 + source.below(3));
    let row = |source: &mut Source<'_>| (0..columns).map(|_| vec![text(source)]).collect();
    Block::Table((0..rows).map(|_| row(source)).collect())
}

fn text(source: &mut Source<'_>) -> Text {
    let count = source.below(5);
    (0..count).map(|_| piece(source)).collect()
}

fn words(source: &mut Source<'_>) -> String {
    let count = 1 + source.below(6);
    let words: Vec<&str> = (0..count)
        .map(|_| WORDS[source.below(WORDS.len())])
        .collect();
    format!("{} ", words.join(" "))
}

fn piece(source: &mut Source<'_>) -> Piece {
    match source.below(24) {
        0 => Piece::Footnote(words(source)),
        1 => Piece::Endnote(words(source)),
        2 => Piece::Comment(words(source)),
        3 => Piece::Box((0..=source.below(2)).map(|_| words(source)).collect()),
        4 => Piece::Link(source.byte(), words(source)),
        5 => Piece::Picture(source.byte() % 3),
        6 => Piece::Deleted(words(source)),
        7 => Piece::Inserted(words(source)),
        8 => Piece::Break,
        kind => Piece::Words(words(source), if kind == 9 { source.byte() % 8 } else { 0 }),
    }
}

/// One edit, of a kind and at a place that the source names.
fn edit(draft: &mut Draft, source: &mut Source<'_>) {
    let kind = source.below(10);
    let place = source.below(draft.blocks.len());
    match kind {
        0 if draft.blocks.len() < MOST_BLOCKS => {
            let new = block(source);
            draft.blocks.insert(place, new);
        }
        1 if !draft.blocks.is_empty() => drop(draft.blocks.remove(place)),
        2 if !draft.blocks.is_empty() => {
            let moved = draft.blocks.remove(place);
            let target = source.below(draft.blocks.len() + 1);
            draft.blocks.insert(target, moved);
        }
        3 => draft.header = (!source.next().is_multiple_of(3)).then(|| words(source)),
        4 => cut_or_join(&mut draft.blocks, place, source.next().is_multiple_of(2)),
        _ => match draft.blocks.get_mut(place) {
            Some(Block::Paragraph(text)) => edit_text(text, source),
            Some(Block::Table(rows)) => edit_table(rows, source),
            None => {}
        },
    }
}

fn cut_or_join(blocks: &mut Vec<Block>, place: usize, cut: bool) {
    let Some(Block::Paragraph(text)) = blocks.get_mut(place) else {
        return;
    };
    if cut {
        let rest = text.split_off(text.len() / 2);
        blocks.insert(place + 1, Block::Paragraph(rest));
    } else if let Some(Block::Paragraph(next)) = blocks.get(place + 1).cloned()
        && let Some(Block::Paragraph(text)) = blocks.get_mut(place)
    {
        text.extend(next);
        text.truncate(MOST_PIECES);
        blocks.remove(place + 1);
    }
}

fn edit_table(rows: &mut Vec<Vec<Vec<Text>>>, source: &mut Source<'_>) {
    let row = source.below(rows.len());
    let columns = rows.first().map_or(1, Vec::len);
    match source.below(5) {
        0 if rows.len() < 12 => {
            let cells = (0..columns).map(|_| vec![text(source)]).collect();
            rows.insert(row, cells);
        }
        1 if rows.len() > 1 => drop(rows.remove(row)),
        2 => {
            let column = source.below(columns);
            if let Some(cell) = rows.get_mut(row).and_then(|cells| cells.get_mut(column)) {
                cell.truncate(4);
                cell.push(text(source));
            }
        }
        _ => {
            let column = source.below(columns);
            let cell = rows.get_mut(row).and_then(|cells| cells.get_mut(column));
            if let Some(text) = cell.and_then(|cell| cell.first_mut()) {
                edit_text(text, source);
            }
        }
    }
}

fn edit_text(text: &mut Text, source: &mut Source<'_>) {
    let at = source.below(text.len());
    let kind = source.below(4);
    if kind == 0 || text.is_empty() {
        if text.len() < MOST_PIECES {
            text.insert(at, piece(source));
        }
        return;
    }
    if kind == 1 {
        text.remove(at);
        return;
    }
    let Some(piece) = text.get_mut(at) else {
        return;
    };
    match piece {
        Piece::Words(old, format) => match source.below(3) {
            0 => *old = words(source),
            1 => *format = source.byte() % 8,
            _ => one_word(old, source),
        },
        Piece::Footnote(old)
        | Piece::Endnote(old)
        | Piece::Comment(old)
        | Piece::Deleted(old)
        | Piece::Inserted(old) => one_word(old, source),
        Piece::Box(lines) => {
            let line = source.below(lines.len());
            if let Some(line) = lines.get_mut(line) {
                one_word(line, source);
            }
        }
        Piece::Link(target, _) => *target = source.byte(),
        Piece::Picture(number) => *number = source.byte() % 3,
        Piece::Break => *piece = Piece::Words(words(source), 0),
    }
}

fn one_word(text: &mut String, source: &mut Source<'_>) {
    let mut list: Vec<&str> = text.split(' ').collect();
    let at = source.below(list.len());
    list[at] = WORDS[source.below(WORDS.len())];
    *text = list.join(" ");
}

/// What a package gathers while its body is written.
#[derive(Default)]
struct Parts {
    footnotes: String,
    endnotes: String,
    comments: String,
    links: Vec<u8>,
    notes: usize,
}

fn package(draft: &Draft) -> Vec<u8> {
    let mut parts = Parts::default();
    let mut body = String::new();
    for block in &draft.blocks {
        match block {
            Block::Paragraph(text) => write_paragraph(&mut body, text, &mut parts),
            Block::Table(rows) => write_table(&mut body, rows, &mut parts),
        }
    }
    let spaces = format!(
        "xmlns:w=\"{WORD}\" xmlns:r=\"{RELATIONS}\" \
         xmlns:wps=\"http://schemas.microsoft.com/office/word/2010/wordprocessingShape\" \
         xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\""
    );
    let part = |root: &str, inner: &str| format!("<w:{root} {spaces}>{inner}</w:{root}>");
    let header = draft.header.as_ref().map(|text| plain(text));
    let mut entries = vec![
        (
            "word/document.xml",
            part("document", &format!("<w:body>{body}</w:body>")),
        ),
        ("word/footnotes.xml", part("footnotes", &parts.footnotes)),
        ("word/endnotes.xml", part("endnotes", &parts.endnotes)),
        ("word/comments.xml", part("comments", &parts.comments)),
        (
            "word/_rels/document.xml.rels",
            relationships(&parts, header.is_some()),
        ),
    ];
    entries.extend(header.map(|text| ("word/header1.xml", part("hdr", &text))));
    entries.extend(["0", "1", "2"].map(|n| (picture_name(n), format!("picture {n}"))));
    zipped(&entries)
}

fn picture_name(number: &str) -> &'static str {
    match number {
        "0" => "word/media/0.png",
        "1" => "word/media/1.png",
        _ => "word/media/2.png",
    }
}

fn relationships(parts: &Parts, has_header: bool) -> String {
    let mut all = String::new();
    let mut add = |id: &str, kind: &str, target: &str, mode: &str| {
        write!(
            all,
            "<Relationship Id=\"{id}\" Type=\"{RELATIONS}/{kind}\" Target=\"{target}\"{mode}/>"
        )
        .expect("a string takes it");
    };
    for kind in ["footnotes", "endnotes", "comments"] {
        add(kind, kind, &format!("{kind}.xml"), "");
    }
    if has_header {
        add("h", "header", "header1.xml", "");
    }
    for number in 0..3 {
        add(
            &format!("p{number}"),
            "image",
            &format!("media/{number}.png"),
            "",
        );
    }
    for (index, target) in parts.links.iter().enumerate() {
        let target = format!("https://exemplo.com.br/{target}");
        add(
            &format!("l{index}"),
            "hyperlink",
            &target,
            " TargetMode=\"External\"",
        );
    }
    format!("<Relationships>{all}</Relationships>")
}

fn zipped(entries: &[(&str, String)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, text) in entries {
        writer.start_file(*name, options).expect("a new entry");
        writer.write_all(text.as_bytes()).expect("memory takes it");
    }
    writer.finish().expect("memory takes it").into_inner()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn plain(text: &str) -> String {
    format!("<w:p>{}</w:p>", run(text, 0))
}

fn run(text: &str, format: u8) -> String {
    let mut properties = String::new();
    for (bit, name) in [(1, "b"), (2, "i"), (4, "caps")] {
        if format & bit != 0 {
            write!(properties, "<w:{name}/>").expect("a string takes it");
        }
    }
    let text = escape(text);
    format!("<w:r><w:rPr>{properties}</w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r>")
}

fn write_table(out: &mut String, rows: &[Vec<Vec<Text>>], parts: &mut Parts) {
    out.push_str("<w:tbl>");
    for row in rows {
        out.push_str("<w:tr>");
        for cell in row {
            out.push_str("<w:tc>");
            for text in cell {
                write_paragraph(out, text, parts);
            }
            out.push_str("</w:tc>");
        }
        out.push_str("</w:tr>");
    }
    out.push_str("</w:tbl>");
}

fn write_paragraph(out: &mut String, text: &Text, parts: &mut Parts) {
    out.push_str("<w:p>");
    for piece in text {
        let written = write_piece(piece, parts);
        out.push_str(&written);
    }
    out.push_str("</w:p>");
}

fn write_piece(piece: &Piece, parts: &mut Parts) -> String {
    parts.notes += 1;
    let id = parts.notes;
    let note =
        |kind: &str, text: &str| format!("<w:{kind} w:id=\"{id}\">{}</w:{kind}>", plain(text));
    let reference = |kind: &str| format!("<w:r><w:{kind}Reference w:id=\"{id}\"/></w:r>");
    match piece {
        Piece::Words(text, format) => run(text, *format),
        Piece::Footnote(text) => {
            parts.footnotes.push_str(&note("footnote", text));
            reference("footnote")
        }
        Piece::Endnote(text) => {
            parts.endnotes.push_str(&note("endnote", text));
            reference("endnote")
        }
        Piece::Comment(text) => {
            parts.comments.push_str(&note("comment", text));
            reference("comment")
        }
        Piece::Box(lines) => {
            let inner: String = lines.iter().map(|line| plain(line)).collect();
            format!(
                "<w:r><w:drawing><wps:wsp><wps:txbx><w:txbxContent>{inner}</w:txbxContent></wps:txbx>\
                 </wps:wsp></w:drawing></w:r>"
            )
        }
        Piece::Link(target, text) => {
            let index = parts.links.len();
            parts.links.push(*target);
            format!(
                "<w:hyperlink r:id=\"l{index}\">{}</w:hyperlink>",
                run(text, 0)
            )
        }
        Piece::Picture(number) => {
            format!("<w:r><w:drawing><a:blip r:embed=\"p{number}\"/></w:drawing></w:r>")
        }
        Piece::Deleted(text) => {
            let text = escape(text);
            format!("<w:del w:id=\"{id}\"><w:r><w:delText>{text}</w:delText></w:r></w:del>")
        }
        Piece::Inserted(text) => format!("<w:ins w:id=\"{id}\">{}</w:ins>", run(text, 0)),
        Piece::Break => "<w:r><w:br/></w:r>".to_owned(),
    }
}
