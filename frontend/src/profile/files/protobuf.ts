/** As much of protobuf as pprof needs. Every length is checked against what is left. */
import { FileError } from './opened'

export class Reader {
  private readonly bytes: Uint8Array
  private at: number
  private readonly end: number

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  get done(): boolean {
    return this.at >= this.end
  }

  /** Number of the field, and how it is written: 0 varint, 1 and 5 fixed, 2 bytes. */
  field(): { field: number; wire: number } {
    const tag = this.varint()
    return { field: Math.floor(tag / 8), wire: tag % 8 }
  }

  /** An int64 as a number: exact up to 2^53. */
  varint(): number {
    let low = 0
    let scale = 1
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.end) throw new FileError(`The file ends within a number, at byte ${this.at}`)
      const byte = this.bytes[this.at++]
      if (i === 9 && byte === 1) return this.negative()
      low += (byte & 127) * scale
      scale *= 128
      if (byte < 128) return low
    }
    throw new FileError(`A number has more than ten bytes, at byte ${this.at}`)
  }

  /** The ten bytes before are of a number below zero. */
  private negative(): number {
    let number = 0n
    for (let i = 0; i < 10; i++) number |= BigInt(this.bytes[this.at - 10 + i] & 127) << BigInt(7 * i)
    return Number(BigInt.asIntN(64, number))
  }

  message(): Reader {
    const length = this.varint()
    if (!(length >= 0) || length > this.end - this.at)
      throw new FileError(`A part of ${length} bytes is in ${this.end - this.at} bytes, at byte ${this.at}`)
    const part = new Reader(this.bytes, this.at, this.at + length)
    this.at += length
    return part
  }

  text(): string {
    const part = this.message()
    return new TextDecoder().decode(part.bytes.subarray(part.at, part.end))
  }

  /** A repeated number, packed or not. */
  numbers(wire: number, into: number[]) {
    if (wire !== 2) {
      into.push(this.varint())
      return
    }
    const part = this.message()
    while (!part.done) into.push(part.varint())
  }

  skip(wire: number) {
    if (wire === 0) this.varint()
    else if (wire === 2) this.message()
    else if (wire === 1) this.at += 8
    else if (wire === 5) this.at += 4
    else throw new FileError(`A field is of wire type ${wire}, at byte ${this.at}: this is no pprof file`)
  }
}
