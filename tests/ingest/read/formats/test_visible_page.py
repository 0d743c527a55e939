from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.formats.visible_page import DEEPEST, read_page


def shown(html: str) -> str:
    return read_page(html).text


@pytest.mark.parametrize(
    "html",
    [
        "<p hidden>no</p>",
        "<p hidden>no<p>",
        '<div HIDDEN="">no<p>no</div>',
        "<div style='color: red; DISPLAY : None !important; display: block'>no<b>no</b></div>",
        "<span style='/* ; */display:none'>no</span>",
        "<span style='visibility:hidden'>no</span>",
        "<table><tr style='visibility:collapse'><td>no</table>",
        "<script>no</script><style>no</style><template><p>no</template><noscript>no</noscript>",
        "<iframe>no</iframe><canvas>no</canvas><video>no</video><audio>no</audio><datalist><option>no</datalist>",
        "<dialog>no</dialog><progress>no</progress><svg><title>no</title><desc>no</desc></svg>",
        "<input type=hidden value=no><input type=password value=no><img alt=no hidden>",
        "<!-- no --><![CDATA[no]]><head><title>no</title></head>",
    ],
)
def test_what_is_hidden_is_left_out(html: str) -> None:
    assert shown(f"<p>before</p>{html}<p>after</p>") == "before\n\nafter"


@pytest.mark.parametrize(
    "html",
    [
        "<p aria-hidden=true>yes</p>",
        "<p hidden=until-found>yes</p>",
        "<p hidden style='display:block'>yes</p>",
        "<p style='display:none;display:block'>yes</p>",
        "<div style='visibility:hidden'>no<p style='visibility:visible'>yes</p></div>",
        "<body style='display:none' hidden><p>yes</p>",
        "<details><summary>yes</summary></details>",
        "<dialog open>yes</dialog>",
        "<textarea>yes</textarea>",
        "<svg><text>yes</text></svg>",
        "<input type=submit value=yes>",
        "<img alt=yes>",
        "<p hidden>no</p>yes",
    ],
)
def test_what_can_be_seen_is_kept(html: str) -> None:
    assert shown(html) == "yes"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("in<b>side</b>word", "insideword"),
        ("H<sub>2</sub>O, <i>e</i>.g. <code>x</code>s", "H2O, e.g. xs"),
        ("long<wbr>est&shy;word<!-- -->s", "longestwords"),
        ("a <b> b </b> c<a href=x>d</a>", "a b cd"),
        ("東<b>京</b>", "東京"),
        ("<ruby>東<rp>(</rp><rt>とう</rt><rp>)</rp>京<rt>きょう</rt></ruby>へ", "東京(とうきょう)へ"),
        ("caf&eacute; &amp;lt; &#150; &#x1F600;", "café &lt; – 😀"),
        ("say <q>yes</q>", 'say "yes"'),
    ],
)
def test_words_stay_whole(html: str, text: str) -> None:
    assert shown(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<button>Send</button><button>Cancel</button>", "Send Cancel"),
        ("<input value=a><input value=b>", "a b"),
        ("in<img alt=pic>side", "in pic side"),
        ("<select><option>A<option>B</select>", "A\nB"),
        ("<select><optgroup label=G><option>A</select>", "G\nA"),
        ("<ul><li>a<li>b</ul>c", "* a\n* b\n\nc"),
        ("<ul><li>a<ol start=3><li>b<li value=7>c<li>d</ol><li>e</ul>", "* a\n  3. b\n  7. c\n  8. d\n* e"),
        ("<li><p>a</p><p>b</p><li><h2>c</h2>", "* a\n\n  b\n\n* ## c"),
        ("<dl><dt>a<dd>b<dt>c<dd>d</dl>", "a\nb\nc\nd"),
        ("<div>a</div><div>b<section>c</section></div>d<p>e", "a\n\nb\n\nc\n\nd\n\ne"),
        ("a<br>b<br><br>c", "a\nb\n\nc"),
        ("<span style='display:block'>a</span><span style='display:inline-block'>b</span>c", "a\n\nb c"),
        ("<h1>a <b>b</b><br>c</h1>d<h6></h6>", "# a b c\n\nd"),
        ("a<hr>b", "a\n\n---\n\nb"),
        ("<blockquote>a<p>b</blockquote>c", "> a\n>\n> b\n\nc"),
        ("<table><tr><th>a<th>b<tr><td>1<br>2<td><p>3</p></table>", "| a | b |\n| --- | --- |\n| 1 2 | 3 |"),
        ("<table><tr><td>a<td>b</table>c", "| a | b |\n\nc"),
        ("<table><tr><td>a<td><h1>b</h1><p>c<tr><td>d</table>", "a\n\n# b\n\nc\n\n| d |"),
        ("<table><tr><td><table><tr><td>a<td>b</table><td>c</table>", "| a | b |\n\nc"),
    ],
)
def test_blocks_items_options_and_cells_stand_apart(html: str, text: str) -> None:
    assert shown(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<pre>\n  a\n\n <b>b</b><br>c\n</pre>", "```\n  a\n\n b\nc\n```"),
        ("<pre><code>```\r\nx</code></pre>", "````\n```\nx\n````"),
        ("<li><pre>a\nb</pre>", "* ```\n  a\n  b\n  ```"),
        ("<pre><div>a</div><div>b</div></pre><pre> </pre>", "```\na\nb\n```"),
        ("<h1>x <pre>y\nz</pre></h1>", "# x y z"),
    ],
)
def test_code_keeps_its_lines(html: str, text: str) -> None:
    assert shown(html) == text


def test_the_title_is_the_page_s_first_and_no_drawing_s() -> None:
    page = read_page("<svg><title>no</title></svg><title> A &amp;\n<b> </title>x<title>no</title>")
    assert page == ("A & <b>", "x")


@pytest.mark.parametrize("html", ["", " \n", "</p>", "<!-- x -->", "<?xml version='1.0'?>", "<html></html>", "&nbsp;"])
def test_a_page_without_text_is_empty(html: str) -> None:
    assert shown(html) == ""


@pytest.mark.parametrize("tag", ["div", "b", "font", "table", "blockquote", "ul><li"])
def test_elements_nested_without_end_are_refused_before_they_take_time(tag: str) -> None:
    assert shown(f"<{tag}>" * (DEEPEST // 2 - 9) + "deep").endswith("deep")
    with pytest.raises(RecordError, match="nested too deeply"):
        read_page(f"<{tag}>" * 200_000)


@pytest.mark.parametrize(
    "html",
    [
        "<p>" + " " * 2_000_000 + "x",
        "<b> </b>\n" * 100_000 + "x",
        "<p a='" * 200_000 + "'>x",
        "<p " + " ".join(f"a{i}=1" for i in range(200_000)) + ">x",
        "<p style='" + "/*" * 500_000 + "'>x",
        "<ol>" + "<li>x" * 100_000,
        "<table><thead>" + "<tr><th>x" * 50_000,
        "<!--" * 300_000 + "-->x",
        "<div>" * 900 + "</i>" * 100_000 + "x",
        "<ul><li>" * 490 + "x<br>" * 20_000,
    ],
)
def test_long_pages_do_not_hang(html: str) -> None:
    assert shown(html).endswith(("x", "x |"))


NAMES = "p div b i ul ol li table tr td th h1 h6 pre code blockquote select option button ruby rt a span dl dt br q"
TAGS = [f"<{end}{name}>" for name in NAMES.split() for end in ("", "/")]


@given(st.lists(st.sampled_from([*TAGS, "word "]), max_size=60))
def test_every_word_is_there_once_and_in_order_however_tags_are_mixed(pieces: list[str]) -> None:
    words = (f"w{number} " for number in range(len(pieces)))
    html = "".join(next(words) if piece == "word " else piece for piece in pieces)
    found = re.findall(r"w\d+", shown(html))
    expected = re.findall(r"w\d+", html)
    assert sorted(found) == sorted(expected)
    assert found == expected or "<rt>" in html  # readings follow their word


@given(st.text(), st.text(alphabet="<>&;/!-=\"' aptdhs#x1\n\0\x1f\ufffe\U0010ffff"))
def test_any_text_is_read(text: str, markup: str) -> None:
    assert isinstance(shown(text + markup), str)


@pytest.mark.parametrize(
    "html",
    [
        "<nav><a>Home</a></nav><header>Site</header><main><h1>yes</h1><nav>up</nav></main><aside>ad</aside>",
        "<div role=Main><h1>yes</h1></div><p>no</p>",
        "<nav>no</nav><div role=navigation>no</div><form role=search>no</form><h1>yes</h1><footer>no</footer>",
        "<main> </main><h1>yes</h1>",
        "<nav><main>no</main></nav><h1>yes</h1>",
    ],
)
def test_the_main_content_is_read_without_what_every_page_of_a_site_has(html: str) -> None:
    assert shown(html) == "# yes"


def test_of_several_main_elements_all_are_read_and_one_in_another_is_part_of_it() -> None:
    assert shown("a<main>b<main>c</main></main>d<main hidden>e</main><main>f</main>") == "b\n\nc\n\nf"


def test_the_footer_of_a_section_is_read() -> None:
    assert shown("<article>a<footer>b</footer></article><section>c<footer>d</footer></section>") == "a\n\nb\n\nc\n\nd"


def test_a_page_of_navigation_alone_is_read() -> None:
    assert shown("<nav><ul><li>one<li>two</ul></nav><footer>three</footer>") == "* one\n* two\n\nthree"


def test_words_around_what_is_left_out_stand_apart() -> None:
    assert shown("one<nav>no</nav>two") == "one\n\ntwo"
