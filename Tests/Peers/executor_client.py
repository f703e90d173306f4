#!/usr/bin/python3
"""An independent client of executor.proto: grpcio and Google's protobuf, not our transport and not protobuf-c.

    executor_client.py ADDRESS METHOD REQUEST [--timeout SECONDS]

REQUEST is the request's JSON form. Prints one line of JSON: {"status": …, "details": …, "response": …, "metadata": …};
where the method streams, a line {"event": …} for each message before it. SIGUSR1 cancels the call.
"""
import argparse
import pathlib
import signal
import subprocess
import tempfile
from json import dumps

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

SERVICE = "executor.v1.ExecutorService"


PROTO = pathlib.Path(__file__).parents[2] / "Sources/ExecutorProto/executor/v1/executor.proto"


def messages(method):
    """The classes of a method's request and response, as executor.proto has them now, and whether it streams."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(
            ["protoc-c", f"--proto_path={PROTO.parents[2]}", f"--descriptor_set_out={file.name}", PROTO], check=True
        )
        descriptors = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for file in descriptors.file:
        pool.Add(file)
    streams = any(
        found.name == method and found.server_streaming for file in descriptors.file for found in file.service[0].method
    )
    method = pool.FindServiceByName(SERVICE).FindMethodByName(method)
    factory = message_factory.MessageFactory(pool)
    return factory.GetPrototype(method.input_type), factory.GetPrototype(method.output_type), streams


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("method")
    parser.add_argument("request")
    parser.add_argument("--timeout", type=float)
    options = parser.parse_args()

    # Until there is a call to cancel.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    request, response, streams = messages(options.method)
    with grpc.insecure_channel(options.address, [("grpc.enable_http_proxy", 0)]) as channel:
        make = channel.unary_stream if streams else channel.unary_unary
        method = make(
            f"/{SERVICE}/{options.method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        call = (method if streams else method.future)(
            json_format.Parse(options.request, request()),
            timeout=options.timeout,
            metadata=[("x-request-id", "request-1"), ("traceparent", "00-ab-cd-01")],
        )
        signal.signal(signal.SIGUSR1, lambda *_: call.cancel())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        if streams:
            read(call)
        result = {"status": call.code().name, "details": call.details(), "response": None, "metadata": {}}
        if call.code() == grpc.StatusCode.OK:
            result["response"] = None if streams else plain(call.result())
            result["metadata"] = dict(call.trailing_metadata())
        show(result)


def read(call):
    try:
        for event in call:
            show({"event": plain(event)})
    except grpc.RpcError:
        pass  # The status says it.


def plain(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def show(value):
    print(dumps(value, sort_keys=True), flush=True)


main()
