# The image of the backend, from what rootfs.sh has built:
#   make images && docker buildx build --platform linux/amd64 -f manifests/images/backend.Dockerfile .
# The base holds the C library that ClickHouse (libchdb.so) needs. For arm64
# there is no such library: that image needs an external ClickHouse.
FROM gcr.io/distroless/base-debian12:nonroot@sha256:7f0c72cd138b442ae0deeb69c08b1acf5525439ba251a49ad93c320a061567e5
ARG TARGETARCH
COPY build/images/backend/${TARGETARCH}/files/ /
USER 65532:65532
EXPOSE 8080 8443
ENTRYPOINT ["/usr/local/bin/backend"]
