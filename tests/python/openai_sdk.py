"""What people do with OpenAI's SDK for Python, in front of codex-lb. Prints one line per claim that held."""
import json
import sys

from openai import APIError, BadRequestError, OpenAI
from pydantic import BaseModel


class Place(BaseModel):
    city: str
    people: int


MODEL = "gpt-5.5"
SHELL = {
    "name": "shell",
    "parameters": {"type": "object", "properties": {"command": {"type": "array", "items": {"type": "string"}}}},
}
client = OpenAI(base_url=sys.argv[1], api_key="none-is-needed-on-this-machine", max_retries=0)


def responses_whole():
    response = client.responses.create(model=MODEL, input="hello", temperature=0.1)
    assert response.output_text == "Simulated answer to: hello", response
    assert response.usage.total_tokens > 0


def responses_streamed():
    with client.responses.stream(model=MODEL, input="stream") as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert text == stream.get_final_response().output_text == "Simulated answer to: stream", text


def responses_parsed():
    response = client.responses.parse(model=MODEL, input="where?", text_format=Place)
    assert isinstance(response.output_parsed, Place), response


def chat_whole():
    completion = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello"}])
    assert completion.choices[0].message.content == "Simulated answer to: hello", completion


def chat_streamed():
    chunks = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "stream"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    text, usage = "", None
    for chunk in chunks:
        usage = chunk.usage or usage
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    assert text == "Simulated answer to: stream", text
    assert usage.total_tokens > 0


def chat_tools():
    messages = [{"role": "user", "content": "please run: echo one"}]
    tools = [{"type": "function", "function": SHELL}]
    first = client.chat.completions.create(model=MODEL, messages=messages, tools=tools)
    message = first.choices[0].message
    call = message.tool_calls[0]
    assert json.loads(call.function.arguments)["command"][-1] == "echo one", call
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "one"}]
    second = client.chat.completions.create(model=MODEL, messages=messages, tools=tools)
    assert second.choices[0].message.content == "The command printed:\none", second


def chat_parsed():
    completion = client.chat.completions.parse(
        model=MODEL, messages=[{"role": "user", "content": "where?"}], response_format=Place
    )
    assert isinstance(completion.choices[0].message.parsed, Place), completion


def errors_have_classes():
    try:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hi"}], n=2)
        raise AssertionError("n=2 was taken")
    except BadRequestError as error:
        assert error.param == "n", error
    try:
        client.responses.create(model="gpt-0", input="hi")
        raise AssertionError("gpt-0 was served")
    except APIError as error:
        assert error.code, error


def models_are_listed():
    assert MODEL in [model.id for model in client.models.list()]


for claim in [
    responses_whole,
    responses_streamed,
    responses_parsed,
    chat_whole,
    chat_streamed,
    chat_tools,
    chat_parsed,
    errors_have_classes,
    models_are_listed,
]:
    claim()
    print(claim.__name__, flush=True)
