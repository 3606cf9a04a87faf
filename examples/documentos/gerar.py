#!/usr/bin/env python3
"""Gera os documentos de exemplo deste diretório.

Usa só a biblioteca padrão e é determinístico: a mesma versão deste arquivo gera os mesmos bytes. As partes e os dados
dos contratos são inventados; nenhum nome é de pessoa ou empresa real.

    python3 examples/documentos/gerar.py [DIRETÓRIO]

No texto abaixo, "|" divide um trecho em vários runs do Word, para que haja tags repartidas como nos documentos que
passaram por revisão ortográfica. O documento original é o documento com tags sem as marcas, palavra por palavra.
"""

import re
import sys
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/relationships"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"

CONTENT_TYPES = f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">\
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>\
<Default Extension="xml" ContentType="application/xml"/>\
<Override PartName="/word/document.xml" ContentType="{WORD}.document.main+xml"/>\
<Override PartName="/word/styles.xml" ContentType="{WORD}.styles+xml"/>\
<Override PartName="/word/footer1.xml" ContentType="{WORD}.footer+xml"/></Types>"""

PACKAGE_RELS = f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="{RELATIONSHIPS}"><Relationship Id="rId1" Type="{R}/officeDocument" \
Target="word/document.xml"/></Relationships>"""

DOCUMENT_RELS = f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="{RELATIONSHIPS}"><Relationship Id="rId1" Type="{R}/styles" Target="styles.xml"/>\
<Relationship Id="rId2" Type="{R}/footer" Target="footer1.xml"/></Relationships>"""

STYLES = f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:styles xmlns:w="{W}">\
<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/>\
<w:pPr><w:spacing w:after="120"/><w:jc w:val="both"/></w:pPr><w:rPr><w:sz w:val="22"/></w:rPr></w:style>\
<w:style w:type="paragraph" w:styleId="Titulo"><w:name w:val="Title"/><w:basedOn w:val="Normal"/>\
<w:pPr><w:jc w:val="center"/></w:pPr><w:rPr><w:b/><w:sz w:val="28"/></w:rPr></w:style>\
<w:style w:type="paragraph" w:styleId="Clausula"><w:name w:val="heading 1"/><w:basedOn w:val="Normal"/>\
<w:pPr><w:keepNext/><w:spacing w:before="240"/></w:pPr><w:rPr><w:b/></w:rPr></w:style></w:styles>"""

MARK = re.compile(r"\{\{[^{}]*\}\}")


def without_marks(block):
    """O mesmo bloco sem as marcas e sem a divisão em runs."""
    if isinstance(block, list):
        return [[MARK.sub("", cell.replace("|", "")) for cell in row] for row in block]
    style, text = block
    return style, MARK.sub("", text.replace("|", ""))


def runs(text):
    parts = (f'<w:r><w:t xml:space="preserve">{escape(part)}</w:t></w:r>' for part in text.split("|") if part)
    return '<w:proofErr w:type="spellStart"/>'.join(parts)


def paragraph(style, text):
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}{runs(text)}</w:p>"


def table(rows):
    columns = len(rows[0])
    grid = '<w:gridCol w:w="3000"/>' * columns
    body = "".join(
        "<w:tr>" + "".join(f"<w:tc><w:tcPr/>{paragraph('', cell)}</w:tc>" for cell in row) + "</w:tr>" for row in rows
    )
    return f"<w:tbl><w:tblPr/><w:tblGrid>{grid}</w:tblGrid>{body}</w:tbl>"


def block_xml(block):
    return table(block) if isinstance(block, list) else paragraph(*block)


def write(folder, name, blocks, footer):
    """Escreve um pacote sem compressão e com data fixa, para que os bytes não dependam da máquina."""
    body = "".join(block_xml(block) for block in blocks)
    document = (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<w:document xmlns:w="{W}" xmlns:r="{R}"><w:body>'
        f'{body}<w:sectPr><w:footerReference w:type="default" r:id="rId2"/></w:sectPr></w:body></w:document>'
    )
    footer_xml = (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<w:ftr xmlns:w="{W}">{paragraph("", footer)}</w:ftr>'
    )
    parts = {
        "[Content_Types].xml": CONTENT_TYPES,
        "_rels/.rels": PACKAGE_RELS,
        "word/_rels/document.xml.rels": DOCUMENT_RELS,
        "word/document.xml": document,
        "word/footer1.xml": footer_xml,
        "word/styles.xml": STYLES,
    }
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_STORED) as package:
        for part, text in parts.items():
            package.writestr(zipfile.ZipInfo(part, (1980, 1, 1, 0, 0, 0)), text.encode("utf-8"))


def write_template(folder, name, blocks, footer):
    write(folder, f"{name}-com-tags.docx", blocks, footer)
    write(folder, f"{name}.docx", [without_marks(block) for block in blocks], MARK.sub("", footer.replace("|", "")))


SERVICES = [
    ("Titulo", "CONTRATO DE PRESTAÇÃO DE SERVIÇOS"),
    ("", "{{TAG-partes}}Pelo presente instrumento, {{TAG-|contra|tante}}Empresa Exemplo Ltda.{{/TAG-contratante}}, "
         "doravante CONTRATANTE, e {{razão-social}}Serviços Modelo S.A.{{/razão-social}}, doravante CONTRATADA, "
         "celebram este contrato.{{/TAG-partes}}"),
    ("Clausula", "CLÁUSULA 1 – DO OBJETO"),
    ("", "{{1}}{{1.1}}A CONTRATADA prestará serviços de manutenção predial nas instalações da "
         "CONTRATANTE.{{/1.1}}"),
    ("", "{|{1.|2}}Os serviços serão executados em dias úteis, das 8h às 18h.{{/1|.2}}{{/1}}"),
    ("Clausula", "CLÁUSULA 2 – DO PREÇO E DO PAGAMENTO"),
    ("", "{{2.1}}A CONTRATANTE pagará o valor mensal de {{valor-mensal}}R$ 12.500,00 (doze mil e quinhentos "
         "reais){{/valor-mensal}}, até o dia {{dia-de-vencimento}}10{{/dia-de-vencimento}} de cada mês.{{/2.1}}"),
    [
        ["Serviço", "Frequência", "Valor"],
        ["Elétrica", "Semanal", "{{TAG-preço-elé|trica}}R$ 7.000,00{{/TAG-preço-elétrica}}"],
        ["Hidráulica", "Quinzenal", "R$ 5.500,00"],
    ],
    ("Clausula", "CLÁUSULA 3 – DA VIGÊNCIA"),
    ("", "O prazo de vigência é de {{ prazo-de-vigência }}doze meses{{ / prazo-de-vigência }}, contados da data de "
         "assinatura."),
    ("Clausula", "CLÁUSULA 4 – DA MULTA"),
    ("", "{{multa_rescisória opcao=“sim”}}A parte que rescindir o contrato sem justa causa pagará multa de "
         "10% (dez por cento) do valor restante.{{/multa_rescisória}}"),
    ("Clausula", "CLÁUSULA 5 – DO FORO"),
    ("", "Fica eleito o foro da comarca da sede da CONTRATANTE."),
    ("", "{{assinatura /}}"),
]

LEASE = [
    ("Titulo", "CONTRATO DE LOCAÇÃO DE SALA COMERCIAL"),
    ("", "LOCADORA: {{locadora}}Imóveis Fictícios Ltda.{{/locadora}}"),
    ("", "LOCATÁRIA: {{locatária}}____________________{{/locatária}}"),
    ("Clausula", "DO OBJETO"),
    ("", "{{objeto}}A LOCADORA cede à LOCATÁRIA o uso da sala comercial descrita no quadro abaixo, para fins "
         "exclusivamente comerciais.{{/objeto}}"),
    [
        ["Item", "Descrição"],
        ["Sala", "{{sala}}____{{/sala}}"],
        ["Área", "42 m²"],
        ["Vagas de garagem", "1"],
    ],
    ("Clausula", "DO PRAZO"),
    ("", "{{prazo}}A locação vigorará por 24 meses, a partir da entrega das chaves.{{/prazo}}"),
    ("Clausula", "DO ALUGUEL"),
    ("", "{{aluguel}}O aluguel mensal é de R$ 3.200,00, com vencimento no quinto dia útil de cada mês.{{/aluguel}}"),
    ("Clausula", "DA SUBLOCAÇÃO"),
    ("", "{{sublocação}}É vedada a sublocação, total ou parcial, sem anuência escrita da LOCADORA.{{/sublocação}}"),
    ("Clausula", "DAS BENFEITORIAS"),
    ("", "{{benfeitorias}}As benfeitorias necessárias serão indenizadas; as voluptuárias não serão "
         "indenizadas.{{/benfeitorias}}"),
    ("Clausula", "DO FORO"),
    ("", "{{foro}}Fica eleito o foro da comarca em que se situa o imóvel.{{/foro}}"),
]


def replaced(blocks, changes):
    """Os blocos com trocas de texto; uma troca que não acha o seu texto é um erro deste arquivo."""
    result = blocks
    for old, new in changes:
        changed = [
            [[cell.replace(old, new) for cell in row] for row in block]
            if isinstance(block, list)
            else (block[0], block[1].replace(old, new))
            for block in result
        ]
        if changed == result:
            raise SystemExit(f"texto ausente: {old}")
        result = changed
    return result


def first_version():
    """O modelo preenchido, com o aluguel negociado."""
    blocks = [without_marks(block) for block in LEASE]
    return replaced(blocks, [
        ("____________________", "Papelaria Imaginária Ltda."),
        ("____", "305, 3º andar"),
        ("R$ 3.200,00", "R$ 3.000,00"),
    ])


def second_version():
    """Valor e célula mudados, uma frase reescrita, uma cláusula retirada e outra inserida."""
    blocks = replaced(first_version(), [
        ("R$ 3.000,00", "R$ 3.150,00"),
        ("por 24 meses, a partir da entrega das chaves", "por 36 meses, contados da data de entrega das chaves"),
        ("Fica eleito o foro da comarca em que se situa o imóvel.",
         "As partes elegem o foro da comarca em que se situa o imóvel, com renúncia a qualquer outro."),
    ])
    blocks = [[["Vagas de garagem", "2"] if row[0] == "Vagas de garagem" else row for row in block]
              if isinstance(block, list) else block for block in blocks]
    removed = blocks.index(("Clausula", "DA SUBLOCAÇÃO"))
    del blocks[removed:removed + 2]
    place = blocks.index(("Clausula", "DO FORO"))
    blocks[place:place] = [
        ("Clausula", "DO SEGURO"),
        ("", "A LOCATÁRIA contratará seguro contra incêndio, com cobertura mínima igual ao valor de mercado da sala, "
             "e apresentará a apólice em trinta dias."),
    ]
    return blocks


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    write_template(folder, "modelo-servicos", SERVICES, "{{revisão-do-modelo}}Revisão 3{{/revisão-do-modelo}}")
    write_template(folder, "modelo-locacao", LEASE, "Modelo de locação")
    write(folder, "contrato-locacao-v1.docx", first_version(), "Modelo de locação")
    write(folder, "contrato-locacao-v2.docx", second_version(), "Modelo de locação")


if __name__ == "__main__":
    main()
