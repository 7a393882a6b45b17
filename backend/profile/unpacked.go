package profile

import (
	"github.com/klauspost/compress/zstd"
)

// UnpackedSize is how many bytes decompressing a window takes at most, as it says
// itself: what is in it, or the look-back of its compression where that is more
// (2048 bytes for 1024). What is of no known size may become MaxDecoded.
func UnpackedSize(encoded []byte, limits DecodeLimits) int64 {
	most := uint64(limits.MaxDecoded)
	var h zstd.Header
	if len(encoded) < len(magic) || h.Decode(encoded[len(magic):]) != nil || h.Skippable {
		return int64(most)
	}
	size := h.FrameContentSize
	if !h.HasFCS {
		size = sizeOfBlocks(encoded[len(magic)+h.HeaderSize:], h.WindowSize, most)
	}
	return int64(min(max(size, h.WindowSize), most))
}

const (
	blockHeader  = 3 // bytes
	maxZstdBlock = 128 << 10
)

// sizeOfBlocks is what the blocks of a frame become at most. A small window says
// no size, as its frame would not become smaller for it.
func sizeOfBlocks(blocks []byte, window, most uint64) (size uint64) {
	for size < most {
		if len(blocks) < blockHeader {
			return most // cut off
		}
		header := uint32(blocks[0]) | uint32(blocks[1])<<8 | uint32(blocks[2])<<16
		last, kind, n := header&1 == 1, header>>1&3, uint64(header>>3)
		encoded := n
		switch kind {
		case 0: // as it is
			size += n
		case 1: // one byte, repeated
			size, encoded = size+n, 1
		default:
			size += min(window, maxZstdBlock)
		}
		if last {
			return size
		}
		if uint64(len(blocks)-blockHeader) < encoded {
			return most
		}
		blocks = blocks[blockHeader+encoded:]
	}
	return most
}
