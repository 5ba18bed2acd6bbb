package preview1

// rights is a set of things that may be done with a descriptor.
type rights uint64

const (
	rightFDDatasync rights = 1 << iota
	rightFDRead
	rightFDSeek
	rightFDFdstatSetFlags
	rightFDSync
	rightFDTell
	rightFDWrite
	rightFDAdvise
	rightFDAllocate
	rightPathCreateDirectory
	rightPathCreateFile
	rightPathLinkSource
	rightPathLinkTarget
	rightPathOpen
	rightFDReaddir
	rightPathReadlink
	rightPathRenameSource
	rightPathRenameTarget
	rightPathFilestatGet
	rightPathFilestatSetSize
	rightPathFilestatSetTimes
	rightFDFilestatGet
	rightFDFilestatSetSize
	rightFDFilestatSetTimes
	rightPathSymlink
	rightPathRemoveDirectory
	rightPathUnlinkFile
	rightPollFDReadwrite
	rightSockShutdown
	rightSockAccept
)

// What can be done with each type of file at all. A right outside its set is
// dropped when a descriptor is made, as the WASI text allows: it would be
// without meaning.
const (
	rightsOfFile = rightFDDatasync | rightFDRead | rightFDSeek | rightFDFdstatSetFlags | rightFDSync |
		rightFDTell | rightFDWrite | rightFDAdvise | rightFDAllocate | rightFDFilestatGet |
		rightFDFilestatSetSize | rightFDFilestatSetTimes | rightPollFDReadwrite

	rightsOfDirectory = rightFDDatasync | rightFDFdstatSetFlags | rightFDSync | rightFDAdvise |
		rightPathCreateDirectory | rightPathCreateFile | rightPathLinkSource | rightPathLinkTarget |
		rightPathOpen | rightFDReaddir | rightPathReadlink | rightPathRenameSource |
		rightPathRenameTarget | rightPathFilestatGet | rightPathFilestatSetSize |
		rightPathFilestatSetTimes | rightFDFilestatGet | rightFDFilestatSetTimes |
		rightPathSymlink | rightPathRemoveDirectory | rightPathUnlinkFile

	rightsOfStream = rightFDFdstatSetFlags | rightFDFilestatGet | rightPollFDReadwrite
	rightsOfInput  = rightsOfStream | rightFDRead
	rightsOfOutput = rightsOfStream | rightFDWrite

	rightsOfConnection = rightsOfStream | rightFDRead | rightFDWrite | rightSockShutdown
	rightsOfListener   = rightsOfStream | rightSockAccept

	allRights = rightSockAccept<<1 - 1
)

// rightsThatWrite are those for which a file must be opened for writing.
const rightsThatWrite = rightFDWrite | rightFDAllocate | rightFDFilestatSetSize

// has reports whether all of need are there.
func (r rights) has(need rights) bool { return r&need == need }
