r"""Retrieval for generation with LangChain, over the standard library's documentation and without a paid model.

    python examples/1_stdlib_docs.py > docs.jsonl
    python integrations/langchain-embed-plugin/examples/1_rag_retriever.py \
        models/minilm-int8 docs.jsonl "read a CSV file"

The chain is a real one: a retriever, a prompt and, in the model's place, a function that returns the prompt. Put any
chat model there, and it answers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_embed_plugin import EmbedPluginEmbeddings

if TYPE_CHECKING:
    from langchain_core.prompt_values import PromptValue

PROMPT = ChatPromptTemplate.from_template(
    "Answer from this documentation, and name the function you mean.\n\n{documentation}\n\nQuestion: {question}"
)


def without_a_model(prompt: PromptValue) -> str:
    """What a chat model would be given."""
    return prompt.to_string()


def as_text(documents: list[Document]) -> str:
    """The documents under their names."""
    return "\n\n".join(f"## {document.id}\n{document.page_content}" for document in documents)


def main() -> None:
    """Embed the documentation, ask a question, print what the chain gives."""
    folder, lines, question = sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8").splitlines(), sys.argv[3]
    entries = [json.loads(line) for line in lines]
    documents = [Document(entry["text"], id=entry["id"], metadata={"kind": entry["kind"]}) for entry in entries]
    store = InMemoryVectorStore(EmbedPluginEmbeddings(model=folder, show_progress=sys.stderr.isatty()))
    store.add_documents(documents)
    retriever = store.as_retriever(search_kwargs={"k": 3})
    chain = (
        {"documentation": retriever | as_text, "question": RunnablePassthrough()}
        | PROMPT
        | RunnableLambda(without_a_model)
        | StrOutputParser()
    )
    print(chain.invoke(question))


if __name__ == "__main__":
    main()
